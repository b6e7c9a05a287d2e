import EtcdGateway
import LedgerAPI
import LedgerCore
import LedgerStore
import Logging
import TestSupport
import Testing

@testable import LedgerTransparency

extension Integration {
    /// A ledger that grows while others are asked what they have seen of it.
    @Suite("The comparison with the past, while events are sealed")
    struct PastComparisonTests {
        @Test(
            "what was sealed after the head was read contradicts nothing; what nobody sealed does")
        func growing() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 5)
                    let store = LedgerStore(store: stored.client, keys: stored.keys)
                    let tree = TreeReader(store: store, tree: { nil })
                    let head = try await store.observe().observation.head
                    let checker = PastChecker(
                        store: store, keys: [], logger: Logger(label: "test"))
                    try await ledger.seal("meanwhile", 3)
                    let meanwhile = OutsideRecord(source: "witness w", size: 8)
                    #expect(
                        await checker.contradiction(of: head, tree: tree, records: [meanwhile])
                            == nil)
                    for record in [
                        OutsideRecord(source: "witness w", size: 9),
                        OutsideRecord(source: "witness w", size: 8, isContradicted: true),
                    ] {
                        #expect(
                            await checker.contradiction(of: head, tree: tree, records: [record])
                                != nil)
                    }
                }
            }
        }
    }
}
