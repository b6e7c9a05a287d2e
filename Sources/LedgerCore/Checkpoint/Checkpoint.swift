import TextFormats

/// What a ledger commits to at one size (C2SP tlog-checkpoint; formats.md, "Checkpoint").
package struct Checkpoint: Hashable, Sendable {
    /// `LEDGER_ORIGIN`: the ledger's name.
    package let origin: String

    /// The sequence number of the last event that is covered.
    package let size: UInt64

    /// The root of the Merkle tree over the events 1...size.
    package let root: Digest

    package init(origin: String, size: UInt64, root: Digest) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// The text that is signed: three lines, each with its newline.
    package var text: [UInt8] {
        Array("\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n".utf8)
    }

    /// Reads the text of a note; lines after the third are extensions, which are ignored.
    package init(parsing text: [UInt8]) throws(FormatError) {
        guard text.last == UInt8(ascii: "\n") else {
            throw FormatError(.truncated, "the checkpoint does not end with a newline")
        }
        let lines = text.dropLast()
            .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count >= 3, !lines.contains(where: \.isEmpty) else {
            throw FormatError(.wrongFormat, "a checkpoint has three lines or more, none empty")
        }
        guard UTF8Text.isValid(lines[0]) else {
            throw FormatError(.invalidText, "the checkpoint's origin is not UTF-8")
        }
        guard let size = DecimalText.canonical(lines[1]) else {
            throw FormatError(.notCanonical, "the checkpoint's size is not a canonical number")
        }
        guard let bytes = Base64.decode(lines[2]), let root = Digest(bytes: bytes) else {
            throw FormatError(.invalidText, "the checkpoint's root is not the base64 of 32 bytes")
        }
        self.init(origin: String(decoding: lines[0], as: UTF8.self), size: size, root: root)
    }
}
