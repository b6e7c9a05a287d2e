import LedgerCore
import TextFormats

/// The body of `add-checkpoint` (C2SP tlog-witness).
struct AddCheckpointRequest: Hashable, Sendable {
    /// The longest body that is read, in bytes.
    static let maxByteCount = 64 * 1024
    /// The most hashes that a proof between two 64-bit sizes has.
    static let maxProofLines = 63

    let oldSize: UInt64
    let path: [Digest]
    let note: SignedNote
    let checkpoint: Checkpoint

    init(parsing body: [UInt8]) throws(FormatError) {
        guard body.count <= Self.maxByteCount else {
            throw FormatError(.outOfBounds, "a body of \(body.count) bytes")
        }
        var rest = body[...]
        guard let first = Self.line(&rest), first.starts(with: Array("old ".utf8)),
            let oldSize = DecimalText.canonical(first.dropFirst(4))
        else {
            throw FormatError(.wrongFormat, "the first line is not `old` and a size")
        }
        var path: [Digest] = []
        while true {
            guard let line = Self.line(&rest) else {
                throw FormatError(.truncated, "no empty line before the checkpoint")
            }
            if line.isEmpty { break }
            guard path.count < Self.maxProofLines else {
                throw FormatError(.outOfBounds, "more than \(Self.maxProofLines) proof lines")
            }
            guard let bytes = Base64.decode(line), let digest = Digest(bytes: bytes) else {
                throw FormatError(.invalidText, "a proof line is not the base64 of 32 bytes")
            }
            path.append(digest)
        }
        self.oldSize = oldSize
        self.path = path
        note = try SignedNote(parsing: Array(rest))
        checkpoint = try Checkpoint(parsing: note.text)
    }

    /// The next line without its newline; nil where none ends.
    private static func line(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { rest = rest[(end + 1)...] }
        return rest[..<end]
    }
}
