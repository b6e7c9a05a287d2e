import TextFormats

/// The proof that an event is in the ledger, for checking it offline (C2SP tlog-proof; formats.md,
/// "Receipt").
package struct Receipt: Hashable, Sendable {
    private static let header = Array("c2sp.org/tlog-proof@v1".utf8)

    /// The event's sequence number minus one.
    package let index: UInt64

    /// The inclusion path in the tree of the checkpoint, leaf to root.
    package let path: [Digest]

    /// The checkpoint's note, byte for byte.
    package let checkpoint: [UInt8]

    package init(index: UInt64, path: [Digest], checkpoint: [UInt8]) {
        self.index = index
        self.path = path
        self.checkpoint = checkpoint
    }

    /// The receipt's text.
    package func encoded() -> [UInt8] {
        var text = Self.header
        text.append(contentsOf: "\nindex \(index)\n".utf8)
        for hash in path {
            text.append(contentsOf: "\(Base64.encode(hash.bytes))\n".utf8)
        }
        text.append(UInt8(ascii: "\n"))
        return text + checkpoint
    }

    /// Reads a receipt's text; the note in it is not looked into.
    package init(parsing text: [UInt8]) throws(FormatError) {
        var rest = text[...]
        guard try Self.line(&rest).elementsEqual(Self.header) else {
            throw FormatError(.wrongFormat, "the text is not a tlog-proof, version 1")
        }
        let indexLine = try Self.line(&rest)
        let word = Array("index ".utf8)
        guard indexLine.starts(with: word),
            let index = DecimalText.canonical(indexLine.dropFirst(word.count))
        else {
            throw FormatError(.notCanonical, "the receipt's index is not a canonical number")
        }
        var path: [Digest] = []
        while case let line = try Self.line(&rest), !line.isEmpty {
            guard path.count < 64, let bytes = Base64.decode(line),
                let hash = Digest(bytes: bytes)
            else {
                throw FormatError(.invalidText, "the receipt's path is malformed")
            }
            path.append(hash)
        }
        self.init(index: index, path: path, checkpoint: Array(rest))
    }

    /// Checks that the entry with these bytes stands in the ledger of this key at the number that
    /// it carries.
    ///
    /// Returns the checkpoint that covers it.
    package func verify(
        entry: [UInt8], with verifier: NoteVerifier
    ) throws(ProofError) -> Checkpoint {
        let note: SignedNote
        let view: EntryView
        do throws(FormatError) {
            note = try SignedNote(parsing: checkpoint)
            view = try EntryView(decoding: entry[...])
        } catch {
            throw ProofError(error)
        }
        let checkpoint = try verifier.checkpoint(of: note)
        guard view.sequenceNumber.leafIndex == index else {
            throw ProofError(
                .notIncluded,
                "the entry carries the number \(view.sequenceNumber), the receipt is for another")
        }
        guard
            MerkleTree.verifyInclusion(
                leaf: MerkleTree.leafHash(of: entry), index: index, size: checkpoint.size,
                path: path, root: checkpoint.root)
        else {
            throw ProofError(
                .notIncluded, "the path does not lead from the entry to the checkpoint's root")
        }
        return checkpoint
    }

    private static func line(
        _ rest: inout ArraySlice<UInt8>
    ) throws(FormatError) -> ArraySlice<UInt8> {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            throw FormatError(.truncated, "the receipt ends within its lines")
        }
        defer { rest = rest[(end + 1)...] }
        return rest[..<end]
    }
}
