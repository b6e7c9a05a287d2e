import TextFormats

/// A text with signatures below it (C2SP signed-note).
package struct SignedNote: Hashable, Sendable {
    /// One signature line. Lines of unknown keys are kept as they are.
    package struct Signature: Hashable, Sendable {
        /// The name of the key: not empty, without spaces and `+`.
        package let name: String

        /// The first four bytes of the hash of name, algorithm and public key.
        package let keyID: UInt32

        /// The bytes after the key ID: 64 for Ed25519.
        package let signature: [UInt8]

        package init(name: String, keyID: UInt32, signature: [UInt8]) {
            self.name = name
            self.keyID = keyID
            self.signature = signature
        }

        /// The line of the note, with its newline.
        package var line: String {
            var bytes: [UInt8] = []
            bytes.appendBigEndian(keyID)
            return "\u{2014} \(name) \(Base64.encode(bytes + signature))\n"
        }
    }

    /// The most signature lines that are read.
    package static let maxSignatures = 100

    /// The longest note that is read, in bytes.
    package static let maxByteCount = 1 << 20

    /// The signed text, with the newline that ends it.
    package let text: [UInt8]

    package let signatures: [Signature]

    package init(text: [UInt8], signatures: [Signature]) {
        self.text = text
        self.signatures = signatures
    }

    /// The note: the text, an empty line, the signature lines.
    package func encoded() -> [UInt8] {
        text + [UInt8(ascii: "\n")] + signatures.flatMap { Array($0.line.utf8) }
    }

    /// Reads a whole note, which has at least one signature line.
    package init(parsing note: [UInt8]) throws(FormatError) {
        guard note.count <= Self.maxByteCount else {
            throw FormatError(.outOfBounds, "a note of \(note.count) bytes")
        }
        guard UTF8Text.isValid(note[...]),
            !note.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\n") })
        else {
            throw FormatError(.invalidText, "the note is not plain UTF-8 text")
        }
        guard let blank = Self.lastEmptyLine(note), note.last == UInt8(ascii: "\n") else {
            throw FormatError(.wrongFormat, "the note has no signatures below an empty line")
        }
        let lines = note[(blank + 1)...].dropLast()
            .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count <= Self.maxSignatures else {
            throw FormatError(.outOfBounds, "the note has \(lines.count) signatures")
        }
        var signatures: [Signature] = []
        for line in lines {
            signatures.append(try Signature(parsing: line))
        }
        self.init(text: Array(note[..<blank]), signatures: signatures)
    }

    /// The index of the second of the last two consecutive newlines that have something after them.
    private static func lastEmptyLine(_ note: [UInt8]) -> Int? {
        let newline = UInt8(ascii: "\n")
        guard note.count >= 3 else { return nil }
        return (1..<note.count - 1).last { note[$0] == newline && note[$0 - 1] == newline }
    }
}

extension SignedNote.Signature {
    fileprivate init(parsing line: ArraySlice<UInt8>) throws(FormatError) {
        let dash = Array("\u{2014} ".utf8)
        let rest = line.dropFirst(dash.count)
        guard line.starts(with: dash), let space = rest.lastIndex(of: UInt8(ascii: " ")),
            let bytes = Base64.decode(rest[(space + 1)...]), bytes.count > 4
        else {
            throw FormatError(.wrongFormat, "a signature line of the note is malformed")
        }
        let name = String(decoding: rest[..<space], as: UTF8.self)
        guard NoteKeyName.isValid(name) else {
            throw FormatError(.invalidText, "the name of a signature's key is malformed")
        }
        self.init(
            name: name, keyID: bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) },
            signature: Array(bytes[4...]))
    }
}

/// The rule for names of keys, and so for origins.
package enum NoteKeyName {
    /// Whether a name is not empty and has no spaces, control characters or `+`.
    package static func isValid(_ name: String) -> Bool {
        !name.isEmpty
            && name.unicodeScalars.allSatisfy {
                !$0.properties.isWhitespace && $0.value >= 0x20 && $0.value != 0x7F && $0 != "+"
            }
    }
}
