import TextFormats

/// How all of the ledger's JSON records are read: one object in plain strings, of which every member is known.
extension JSONReader {
    /// - Parameters:
    ///   - record: what the bytes are, for the error.
    ///   - member: reads the member of a name; `unknown` is what it throws for one that it does not know, for what that says
    ///     could be what matters.
    static func members(
        of bytes: [UInt8], _ record: StaticString,
        _ member: (String, inout JSONReader) throws(JSONFailure) -> Void
    ) throws(FormatError) {
        do throws(JSONFailure) {
            try whole(bytes, strings: .plain) { reader throws(JSONFailure) in
                try reader.object(member)
            }
        } catch {
            throw FormatError(.wrongFormat, "\(record): \(error.reason)")
        }
    }

    var unknown: JSONFailure { failure("an unknown key") }

    /// Reads a hash.
    mutating func digest() throws(JSONFailure) -> Digest {
        guard let digest = Digest(hex: try string()) else {
            throw failure("a hash is not 64 lower-case hex digits")
        }
        return digest
    }
}
