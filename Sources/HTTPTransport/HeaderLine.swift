/// The lines of a header, as libcurl takes and gives them.
enum HeaderLine {
    /// The longest header of an answer that is read, in bytes.
    static let maxHeaderByteCount = 64 * 1024

    /// What libcurl is given for the fields of a request, without what it would add by itself.
    static func lines(of fields: [HTTPField]) -> [String] {
        let names = Set(fields.map { $0.name.lowercased() })
        // A line without a value keeps libcurl from sending its own; one that ends with a semicolon is sent empty.
        return fields.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
            + ["Content-Type", "Accept", "Expect"].filter { !names.contains($0.lowercased()) }
            .map { "\($0):" }
    }

    /// Whether this is the first line of a header.
    static func isStatus(_ line: UnsafeRawBufferPointer) -> Bool {
        unsafe line.starts(with: "HTTP/".utf8)
    }

    /// The field of a line, where it is to be kept; a line that is none is skipped.
    static func field(
        _ line: UnsafeRawBufferPointer, kept: TransportSettings.KeptFields
    ) -> HTTPField? {
        guard let colon = unsafe line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else {
            return nil
        }
        let name: String
        switch kept {
        case .all:
            name = unsafe String(decoding: line[..<colon], as: UTF8.self).lowercased()
        case .only(let names):
            // This comes before any memory is taken: most lines are skipped.
            guard let wanted = names.first(where: { unsafe isName($0, line, length: colon) }) else {
                return nil
            }
            name = wanted
        }
        let value = unsafe line[(colon + 1)...].trimmingSpace()
        return unsafe HTTPField(name, String(decoding: value, as: UTF8.self))
    }

    private static func isName(
        _ name: String, _ line: UnsafeRawBufferPointer, length: Int
    ) -> Bool {
        guard name.utf8.count == length else { return false }
        // Both have `length` bytes at least. Names are letters, digits and hyphens, of which the bit tells the case of
        // letters, and is set in the others.
        return unsafe zip(name.utf8, line).allSatisfy { $0 == $1 | 0x20 }
    }
}

extension Slice<UnsafeRawBufferPointer> {
    /// Without spaces, tabs and the line's end on either side.
    fileprivate func trimmingSpace() -> Self {
        var rest = self
        while let first = unsafe rest.first, first <= 0x20 { unsafe rest.removeFirst() }
        while let last = unsafe rest.last, last <= 0x20 { unsafe rest.removeLast() }
        return unsafe rest
    }
}
