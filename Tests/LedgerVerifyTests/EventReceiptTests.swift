import LedgerVerify
import Testing

@Suite("EventReceipt")
struct EventReceiptTests {
    private let entry: [UInt8]
    private let proof: String
    private let key: VerifierKey

    init() throws {
        let vector = try Vectors.checkpoint()
        entry = unhex(try Vectors.events()[256].entryHex)
        proof = vector.receiptForSequence257
        key = try VerifierKey(vector.verifierKey)
    }

    private func failure(
        _ proof: String? = nil, entry: [UInt8]? = nil, keys: [VerifierKey]? = nil
    ) -> VerificationError.Code? {
        code { () throws(VerificationError) in
            let receipt = EventReceipt(
                proof: Array((proof ?? self.proof).utf8), entry: entry ?? self.entry)
            _ = try receipt.verify(with: keys ?? [key])
        }
    }

    @Test("the vector proves its event")
    func vector() throws {
        let receipt = EventReceipt(proof: Array(proof.utf8), entry: entry)
        let proved = try receipt.verify(with: [key])
        #expect(proved.entry.sequenceNumber == 257)
        #expect(proved.entry.eventID == "evt-00000257")
        #expect(proved.checkpoint.size == 300)
        #expect(proved.checkpoint.origin == "ledger.example.com/vectors")
        #expect(proved.inclusion.path.count == 7)
    }

    @Test("each step that fails is named")
    func steps() throws {
        let (other, _) = try makeKey(name: "ledger.example.com/vectors")
        let events = try Vectors.events()
        #expect(failure() == nil)
        #expect(failure(keys: []) == .notSigned)
        #expect(failure(keys: [other]) == .notSigned)
        #expect(failure(keys: [other, key]) == nil)
        #expect(failure(entry: unhex(events[255].entryHex)) == .wrongNumber)
        #expect(failure(entry: Array(entry.dropLast())) == .malformedEntry)
        #expect(failure(proof.replacing("index 256", with: "index 255")) == .wrongNumber)
        var changed = entry
        changed[35] ^= 1
        #expect(failure(entry: changed) == .notIncluded)
        let lines = proof.split(separator: "\n", omittingEmptySubsequences: false)
        let shorter = (lines[..<2] + lines[3...]).joined(separator: "\n")
        #expect(failure(shorter) == .notIncluded)
        let swapped = (lines[..<2] + [lines[3], lines[2]] + lines[4...]).joined(separator: "\n")
        #expect(failure(swapped) == .notIncluded)
        #expect(failure(proof.replacing("\n300\n", with: "\n301\n")) == .badSignature)
        #expect(failure(proof.replacing("\n300\n", with: "\n256\n")) == .notIncluded)
    }

    @Test("what is no receipt is refused, whatever its size")
    func malformed() {
        let hash = String(repeating: "A", count: 43) + "=\n"
        let header = "c2sp.org/tlog-proof@v1\n"
        let note = proof.split(separator: "\n\n", maxSplits: 1).last.map(String.init) ?? ""
        let receipts: [(String, VerificationError.Code)] = [
            ("", .malformedReceipt), ("\n", .malformedReceipt), (header, .malformedReceipt),
            (proof.replacing("@v1", with: "@v2"), .malformedReceipt),
            (proof.replacing("\n", with: "\r\n"), .malformedReceipt),
            (proof.replacing("index 256", with: "index 0256"), .malformedReceipt),
            (proof.replacing("index 256", with: "index -1"), .malformedReceipt),
            (
                proof.replacing("index 256", with: "index 18446744073709551616"),
                .malformedReceipt
            ),
            (proof.replacing("index 256", with: "index 18446744073709551615"), .wrongNumber),
            (proof.replacing("index 256", with: "index 9223372036854775807"), .wrongNumber),
            (
                header + "index 256\n" + String(repeating: hash, count: 65) + "\n" + note,
                .malformedReceipt
            ),
            (
                header + "index 256\n" + String(repeating: hash, count: 64) + "\n" + note,
                .notIncluded
            ),
            (
                header + "index 256\n" + String(repeating: hash, count: 200_000),
                .malformedReceipt
            ),
            (header + "index 256\n" + hash + hash, .malformedReceipt),
            (header + "index 256\n\n", .malformedCheckpoint),
            (header + "index 256\nAAAA\n\n" + note, .malformedReceipt),
            (proof + String(repeating: " ", count: 10 << 20), .malformedReceipt),
            (proof + "\u{0}", .malformedCheckpoint),
        ]
        for (receipt, expected) in receipts {
            #expect(failure(receipt) == expected, "\(receipt.prefix(60))")
        }
        let bytes = code { () throws(VerificationError) in
            let receipt = EventReceipt(proof: [0xFF] + Array(proof.utf8), entry: entry)
            _ = try receipt.verify(with: [key])
        }
        #expect(bytes == .malformedReceipt)
    }
}
