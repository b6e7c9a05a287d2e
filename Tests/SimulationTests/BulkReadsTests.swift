import EtcdGateway
import LedgerCore
import LedgerStore
import Testing

@Suite("Bulk reads")
struct BulkReadsTests {
    @Test("blocks, segments and tiles are read on connections of their own, counter and head not")
    func twoWays() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 5_000, blocks: [700])
        let (prompt, bulk) = (MeteredStore(writer.store), MeteredStore(writer.store))
        let ledger = LedgerStore(
            store: prompt, keys: writer.ledger.keys, bulk: BulkReads(store: bulk))
        let observed = try await ledger.observeBeyond()
        let observation = observed.observation
        #expect(observed.firstBeyond == nil)
        #expect(
            try await LedgerLoader(ledger).load(upTo: observation, indexSeed: 0).index.count
                == 5_000)
        #expect(try await ledger.block(first: 1, serializable: true) != nil)
        #expect(prompt.reads.isEmpty)
        #expect(prompt.transactions == 2)
        #expect(bulk.transactions == 0)
        #expect(bulk.reads.count > 3)
    }
}
