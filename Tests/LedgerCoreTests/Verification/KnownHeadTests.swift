import LedgerCore
import Testing

/// A store that was rolled back may be one whole ledger by itself: what the verifier knows of the head shows it.
@Suite("Verifying against a known head")
struct KnownHeadTests {
    /// 40 events, and the head after so many of them as it once was.
    private func ledger(known count: UInt64, hash: EventHash? = nil) throws -> TestLedger {
        var ledger = try TestLedger(blocks: [10, 20, 10])
        var tree = MerkleFrontier()
        for number in 0..<count {
            tree.append(number < 40 ? ledger.leaves[Int(number)] : .sha256([]))
        }
        let last = count <= 40 ? Digest.sha256(ledger.entries[Int(count) - 1]) : .sha256([1])
        ledger.known.head = Head(
            sequence: SequenceNumber(count), eventHash: hash ?? last, sealedTimestamp: 1000,
            tree: tree)
        return ledger
    }

    @Test("a known head that the stored events contain changes nothing", arguments: [1, 17, 40])
    func contained(count: UInt64) throws {
        let verifier = try ledger(known: count).verify()
        #expect(verifier.finding == nil)
        #expect(verifier.eventsVerified == 40)
    }

    @Test("fewer events than are known to be sealed are found, after all that are stored")
    func rolledBack() throws {
        let verifier = try ledger(known: 45).verify()
        #expect(verifier.finding?.kind == .headMismatch)
        #expect(verifier.finding?.sequenceNumber == 41)
        #expect(verifier.eventsVerified == 40)
    }

    @Test("another event under a number that is known is found there, though the chain is whole")
    func sealedOn() throws {
        let verifier = try ledger(known: 17, hash: .sha256([9])).verify()
        #expect(verifier.finding?.kind == .headMismatch)
        #expect(verifier.finding?.sequenceNumber == 17)
        #expect(verifier.eventsVerified == 16)
        // A range that does not hold the number says nothing of it.
        #expect(try ledger(known: 17, hash: .sha256([9])).verify(18, 30).finding == nil)
    }

    @Test("a stored head that is none is found where the known one ends")
    func undecodable() throws {
        var ledger = try ledger(known: 40)
        ledger.known.problem = "5 subtree roots for a tree of size 40"
        let verifier = try ledger.verify()
        #expect(verifier.finding?.kind == .headMismatch)
        #expect(verifier.finding?.sequenceNumber == 40)
        #expect(verifier.finding?.actual == "5 subtree roots for a tree of size 40")
    }

    @Test("without any known event a head that is none is found at the first number")
    func nothingKnown() {
        let known = KnownHead(problem: "no head")
        #expect(known.finding(at: .empty)?.sequenceNumber == 1)
        #expect(known.finding(at: .empty)?.kind == .headMismatch)
        #expect(KnownHead().finding(at: .empty) == nil)
    }
}
