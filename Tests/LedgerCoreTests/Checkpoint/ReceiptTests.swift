import LedgerCore
import Testing

@Suite("Receipt")
struct ReceiptTests {
    private func vector() throws -> Vectors.Checkpoint {
        try Vectors.decode(Vectors.Checkpoint.self, "checkpoint.json")
    }

    private func entry(_ number: Int) throws -> [UInt8] {
        unhex(try Vectors.events()[number - 1].entryHex)
    }

    @Test("the receipt of the vectors proves event 257, and is made byte for byte")
    func vectorReceipt() throws {
        let vector = try vector()
        let text = Array(vector.receiptForSequence257.utf8)
        let receipt = try Receipt(parsing: text)
        #expect(receipt.index == 256)
        #expect(receipt.checkpoint == Array(vector.note.utf8))
        #expect(receipt.encoded() == text)
        let verifier = try NoteVerifier(parsing: vector.verifierKey)
        #expect(try receipt.verify(entry: entry(257), with: verifier).size == 300)

        var stack = TileStack()
        var tiles: [Tile] = []
        for leaf in try Vectors.leaves() { tiles += stack.append(leaf) }
        let path = MerkleTree.inclusionPath(index: 256, size: 300) { node in
            tiles.compactMap { $0.hash(of: node) }.first ?? stack.hash(of: node) ?? .zero
        }
        let made = Receipt(index: 256, path: path, checkpoint: Array(vector.note.utf8))
        #expect(made.encoded() == text)
    }

    @Test("another entry, another number or another path proves nothing")
    func refused() throws {
        let vector = try vector()
        let verifier = try NoteVerifier(parsing: vector.verifierKey)
        let receipt = try Receipt(parsing: Array(vector.receiptForSequence257.utf8))
        func refusal(_ receipt: Receipt, _ entry: [UInt8]) -> ProofError.Code? {
            do throws(ProofError) {
                _ = try receipt.verify(entry: entry, with: verifier)
                return nil
            } catch {
                return error.code
            }
        }
        let entry = try entry(257)
        #expect(refusal(receipt, entry) == nil)
        #expect(refusal(receipt, try self.entry(256)) == .notIncluded)
        var changed = entry
        changed[20] ^= 1
        #expect(refusal(receipt, changed) == .notIncluded)
        #expect(refusal(receipt, Array(entry.dropLast())) == .malformed)
        let short = Receipt(
            index: 256, path: Array(receipt.path.dropLast()), checkpoint: receipt.checkpoint)
        #expect(refusal(short, entry) == .notIncluded)
        let other = Receipt(index: 255, path: receipt.path, checkpoint: receipt.checkpoint)
        #expect(refusal(other, entry) == .notIncluded)
        let unsigned = Receipt(
            index: 256, path: receipt.path, checkpoint: Array("no note".utf8))
        #expect(refusal(unsigned, entry) == .malformed)
    }

    @Test("malformed receipts are refused")
    func malformed() throws {
        let text = try vector().receiptForSequence257
        for changed in [
            "", text.replacing("@v1", with: "@v2"), text.replacing("index 256", with: "index 0256"),
            text.replacing("index 256", with: "index"), text.replacing("\n\n", with: "\n"),
            text.replacing("JdpKQPTu", with: "JdpKQPT"), String(text.prefix(40)),
        ] {
            #expect(throws: FormatError.self) { try Receipt(parsing: Array(changed.utf8)) }
        }
    }
}
