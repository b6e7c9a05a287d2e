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
        writer.store.put(keys.format, Array("3".utf8))
        #expect(format(result(of: try writer.propose(["second"]), writer)) == "3")
        #expect(writer.store.snapshot.keys[keys.counter]?.value == Array("1".utf8))
        #expect(writer.store.snapshot.keys[keys.block(2)] == nil)
    }

    @Test(
        "a transaction that was built on format 1 seals nothing on format 2, and shows which it is")
    func laterFormat() throws {
        var writer = LedgerWriter()
        let keys = writer.ledger.keys
        try writer.seal(["first"])
        writer.store.put(keys.format, LedgerFormat.two.value)
        guard case .superseded(let seen) = result(of: try writer.propose(["second"]), writer) else {
            Issue.record("the comparison did not fail")
            return
        }
        #expect(seen.format == .two)
        #expect(seen.revision == writer.known.revision)
        #expect(seen.headBytes == writer.known.headBytes)
        #expect(writer.store.snapshot.keys[keys.block(2)] == nil)
    }

    @Test("and one that was built on format 2 seals nothing on format 1")
    func earlierFormat() async throws {
        var writer = LedgerWriter()
        let keys = writer.ledger.keys
        try writer.seal(["first"])
        writer.store.put(keys.format, LedgerFormat.two.value)
        try await writer.reload()
        let proposal = try writer.propose(["second"])
        writer.store.put(keys.format, LedgerFormat.one.value)
        guard case .superseded(let seen) = result(of: proposal, writer) else {
            Issue.record("the comparison did not fail")
            return
        }
        #expect(seen.format == .one)
        writer.store.put(keys.format, LedgerFormat.two.value)
        #expect(try writer.seal(["second"]))
        #expect(writer.store.snapshot.keys[keys.format]?.value == LedgerFormat.two.value)
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

    @Test("who takes the hint sees the format with the head")
    func takingTheHint() throws {
        var writer = LedgerWriter()
        let transactions = writer.ledger.transactions
        try writer.seal(["first"])
        let hint = SealerHint(address: "me:50052", id: "me")
        for (format, revision) in [(LedgerFormat.one, 0), (.two, 99)] {
            writer.store.put(writer.ledger.keys.format, format.value)
            let taking = transactions.takingHint(
                hint, lease: 0, hintRevision: Int64(revision), counter: nil)
            let response = writer.store.apply(taking)
            #expect(response.succeeded == (revision == 0))
            #expect(transactions.seen(in: response)?.observation.format == format)
        }
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
