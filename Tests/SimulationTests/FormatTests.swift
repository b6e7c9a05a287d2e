import EtcdGateway
import LedgerCore
import LedgerStore
import Testing

/// Every sealing transaction compares the ledger's format (formats.md, "One sealing transaction").
@Suite("The ledger's format")
struct FormatTests {
    private func result(of proposal: Proposal, _ writer: LedgerWriter) -> TransmissionResult {
        let transactions = writer.ledger.transactions
        return transactions.result(of: writer.store.apply(transactions.sealing(proposal)))
    }

    private func format(_ result: TransmissionResult) -> String? {
        if case .unknownFormat(let found) = result { found } else { nil }
    }

    @Test("nothing is sealed on a ledger to which a newer version has given another format")
    func otherFormat() throws {
        var writer = LedgerWriter()
        let keys = writer.ledger.keys
        #expect(try writer.seal(["first"]))
        #expect(writer.store.snapshot.keys[keys.format]?.value == Array("1".utf8))
        writer.store.put(keys.format, Array("2".utf8))
        #expect(format(result(of: try writer.propose(["second"]), writer)) == "2")
        #expect(writer.store.snapshot.keys[keys.counter]?.value == Array("1".utf8))
        #expect(writer.store.snapshot.keys[keys.block(2)] == nil)
    }

    @Test("nor is the first event, where somebody has put a format before it")
    func firstEvent() throws {
        var writer = LedgerWriter()
        let keys = writer.ledger.keys
        writer.store.put(keys.format, Array("3".utf8))
        #expect(format(result(of: try writer.propose(["first"]), writer)) == "3")
        #expect(writer.store.snapshot.keys[keys.counter] == nil)
        #expect(writer.store.snapshot.keys[keys.format]?.value == Array("3".utf8))
    }

    @Test("a format without events, or events without a format, are no ledger")
    func contradictions() throws {
        var writer = LedgerWriter()
        let keys = writer.ledger.keys
        writer.store.put(keys.format, Array("1".utf8))
        let first = try writer.propose(["first"])
        guard case .unknown = result(of: first, writer) else {
            Issue.record("a format without events")
            return
        }
        #expect(throws: LedgerStoreError.self) { try read(writer) }

        writer = LedgerWriter()
        try writer.seal(["first"])
        _ = writer.store.apply(
            EtcdTransaction(success: [.delete(key: keys.format, rangeEnd: nil)]))
        guard case .unknown = result(of: try writer.propose(["second"]), writer) else {
            Issue.record("events without a format")
            return
        }
        #expect(throws: LedgerStoreError.self) { try read(writer) }
    }

    private func read(_ writer: LedgerWriter) throws -> LedgerObservation {
        let transactions = writer.ledger.transactions
        return try transactions.observation(from: writer.store.apply(transactions.observing()))
    }
}
