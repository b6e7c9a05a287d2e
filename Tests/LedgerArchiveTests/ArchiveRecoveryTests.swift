import EtcdGateway
import Foundation
import LedgerArchive
import LedgerCore
import LedgerStore
import ObjectStorage
import TestSupport
import Testing

/// Archives of a ledger that a service has sealed into a real etcd, verified without it, and put back into it under
/// another prefix.
@Suite("Verifying an archive, and recovering from it", .serialized)
struct ArchiveRecoveryTests {
    /// So many events are archived: two full ids segments, and a part of a third.
    static let size = 9_300

    /// Runs a test with a whole archive, the ledger that it is of, and a store that has nothing yet.
    func withArchive(
        _ body: (ArchiveBench, StoredLedger, LedgerStore) async throws -> Void
    ) async throws {
        try await ArchiveBench.with(events: Self.size + 40) { bench, _ in
            try await bench.publish(Self.size)
            await bench.round(bench.archiver(bench.objects))
            #expect(try await bench.faults() == [])
            try await body(bench, bench.stored, freshStore(bench, bench.stored.client))
        }
    }

    /// A store under a prefix of its own, with nothing in it.
    func freshStore(
        _ bench: ArchiveBench, _ client: any KeyValueStore
    ) -> LedgerStore {
        let prefix = "\(EtcdCluster.ledgers)recovered-\(UUID().uuidString)/"
        return LedgerStore(
            store: client, keys: LedgerKeys(prefix: prefix), archived: bench.reader(bench.objects))
    }

    func recovery(
        _ bench: ArchiveBench, _ store: LedgerStore, retain: UInt64? = nil
    ) -> ArchiveRecovery {
        ArchiveRecovery(
            bench.objects, keys: [bench.signer.verifier], store: store, retain: retain)
    }

    private func values(
        _ range: LedgerKeys.Range, _ client: EtcdClient, without prefix: [UInt8]
    ) async throws -> [[UInt8]: [UInt8]] {
        var values: [[UInt8]: [UInt8]] = [:]
        var key = range.key
        while true {
            let page = try await client.range(
                EtcdRangeRequest(key: key, rangeEnd: range.rangeEnd, limit: 200))
            for pair in page.kvs { values[Array(pair.key.dropFirst(prefix.count))] = pair.value }
            guard let last = page.kvs.last, page.kvs.count == 200 else { return values }
            key = last.key + [0]
        }
    }

    @Test("an empty etcd becomes the very ledger, once and for all")
    func everything() async throws {
        try await withArchive { bench, stored, store in
            var asked = 0
            let refused = try await recovery(bench, store).run(
                confirm: { _ in
                    asked += 1
                    return false
                }, progress: { _ in })
            #expect(refused == nil)
            #expect(try await store.observe().observation == .empty)
            let plan = try await recovery(bench, store).run(
                confirm: { plan in
                    #expect(plan.before == .zero)
                    #expect(plan.size == UInt64(Self.size))
                    return true
                }, progress: { _ in })
            #expect(plan != nil)
            let observation = try await store.observe().observation
            #expect(observation.format == .one)
            let loaded = try await LedgerLoader(store).load(upTo: observation, indexSeed: 3)
            let signed = try Checkpoint(parsing: bench.note(Self.size).text)
            #expect(loaded.head.tree.root == signed.root)
            // Segments and tiles are the same keys with the same values; so are blocks up to the last full segment.
            let client = stored.client
            let (own, other) = (store.keys, stored.keys)
            #expect(
                try await values(own.allSegments, client, without: own.prefix)
                    == values(other.allSegments, client, without: other.prefix))
            for level in 0...1 {
                #expect(
                    try await values(
                        own.tiles(level: level, from: 0), client, without: own.prefix)
                        == values(
                            other.tiles(level: level, from: 0), client, without: other.prefix))
            }
            let recorded = { (number: UInt64) in number + 1_024 <= 8_192 }
            let blocks = try await store.blocks(from: 1, through: 8_192, limit: 10_000)
            for block in blocks where recorded(block.first.rawValue) {
                #expect(try await stored.value(other.block(block.first)) == block.bytes)
            }
            #expect(try await store.archive()?.record.through.rawValue == UInt64(Self.size))
            #expect(try await store.checkpoint()?.bytes == bench.note(Self.size).encoded())
            let again = try await recovery(bench, store).run(
                confirm: { plan in
                    #expect(plan.before.rawValue == UInt64(Self.size))
                    return true
                }, progress: { _ in })
            #expect(again != nil)
            #expect(try await store.observe().observation == observation)
        }
    }

    @Test(
        "of a large archive only the newest events are put into an empty etcd; the others are read where they are"
    )
    func newest() async throws {
        try await withArchive { bench, stored, store in
            let plan = try await recovery(bench, store, retain: 4_500).run(
                confirm: { _ in true }, progress: { _ in })
            #expect(plan?.trimmed == 4_096)
            let observation = try await store.observe().observation
            #expect(observation.format == .two)
            #expect(try await store.archive()?.record.trimmed == 4_096)
            // The first segment was completed by the block that reaches beyond it, or was not put at all.
            let segments = try await values(
                store.keys.allSegments, stored.client, without: store.keys.prefix)
            #expect((1...2).contains(segments.count))
            let loaded = try await LedgerLoader(store).load(upTo: observation, indexSeed: 3)
            #expect(loaded.head == observation.head)
            let first = try #require(try await store.asStored.block(first: 1))
            #expect(try await stored.value(stored.keys.block(1)) == first)
            let all = try await store.asStored.blocks(from: 1, through: 4_096, limit: 10_000)
            #expect(all.first?.first == 1)
        }
    }

    @Test(
        "another past, a store that is ahead, and a replica that holds the hint end it before anything is written"
    )
    func refusals() async throws {
        try await withArchive { bench, stored, store in
            let ahead = LedgerStore(store: stored.client, keys: stored.keys)
            _ = try await stored.client.transaction(
                .init(success: [.delete(key: stored.keys.sealer)]))
            await #expect(throws: RecoveryError.self) {
                try await recovery(bench, ahead).run(confirm: { _ in true }, progress: { _ in })
            }
            _ = try await stored.client.transaction(
                .init(success: [
                    .put(
                        key: store.keys.archive,
                        value: ArchiveRecord(location: "file:///elsewhere", through: 1)
                            .encodedJSON())
                ]))
            let error = await #expect(throws: RecoveryError.self) {
                try await recovery(bench, store).run(confirm: { _ in true }, progress: { _ in })
            }
            #expect("\(error!)".contains("file:///elsewhere"))
            #expect(try await store.observe().observation == .empty)
        }
    }

    @Test(
        "protocol.md 27: ended between any two of its writes it has told nothing that is not so, and goes on when it is run again"
    )
    func interrupted() async throws {
        try await withArchive { bench, stored, _ in
            var isWhole = false
            var writes = 0
            while !isWhole {
                let ending = freshStore(bench, EndingStore(stored.client, afterWrites: writes))
                let ended = try? await recovery(bench, ending, retain: 4_500).run(
                    confirm: { _ in true }, progress: { _ in })
                isWhole = ended != nil
                let store = LedgerStore(
                    store: stored.client, keys: ending.keys, archived: bench.reader(bench.objects))
                let head = try await store.observe().observation.head.sequence
                if let record = try await store.archive()?.record {
                    #expect(record.through <= head, "after \(writes) writes")
                    #expect(record.trimmed < head)
                }
                // With another wish as to what is to be there: what was begun counts.
                let plan = try await recovery(bench, store, retain: writes % 2 == 0 ? nil : 4_500)
                    .run(confirm: { _ in true }, progress: { _ in })
                #expect(plan?.before == head)
                let observation = try await store.observe().observation
                #expect(observation.head.sequence.rawValue == UInt64(Self.size))
                #expect(try await store.archive()?.record.through.rawValue == UInt64(Self.size))
                _ = try await LedgerLoader(store).load(upTo: observation, indexSeed: 3)
                writes += 1
            }
            #expect(writes > 3)
        }
    }

    private enum Beginning: CaseIterable { case same, otherInFullSegment, otherInOpenSegment }

    @Test(
        "a restored snapshot is continued where its blocks are the archive's, and refused where they are not",
        arguments: Beginning.allCases)
    private func snapshot(_ beginning: Beginning) async throws {
        try await withArchive { bench, stored, store in
            let own = try await bench.store.blocks(from: 1, through: 6_000, limit: 10_000)
            // The events of the blocks that begin there are in blocks of three.
            let regrouped: Range<UInt64> =
                switch beginning {
                case .same: 0..<0
                case .otherInFullSegment: 1..<2_000
                case .otherInOpenSegment: 5_200..<6_000
                }
            var blocks: [LedgerCore.StoredBlock] = []
            for block in own {
                guard regrouped.contains(block.first.rawValue) else {
                    blocks.append(block)
                    continue
                }
                var cutter = BlockCutter(first: block.first)
                let entries = try Block(decoding: block.bytes, firstNumber: block.first).entries
                for (offset, entry) in entries.enumerated() {
                    blocks += [cutter.append(entry, startsBlock: offset % 3 == 0)]
                        .compactMap(\.self)
                }
                blocks += [cutter.finish()].compactMap(\.self)
            }
            var restoration = LedgerRestoration(LedgerState(indexSeed: 1))
            var rest = blocks[...]
            var observation = LedgerObservation.empty
            while let step = try restoration.restore(&rest) {
                observation = try await store.restore(step, on: observation)
            }
            let recover = {
                try await recovery(bench, store).run(confirm: { _ in true }, progress: { _ in })
            }
            guard beginning == .same else {
                let error = await #expect(throws: RecoveryError.self) { try await recover() }
                #expect("\(error, default: "nothing")".contains("other blocks"))
                #expect(try await store.observe().observation == observation)
                return
            }
            #expect(try await recover()?.before == observation.head.sequence)
            #expect(
                try await values(
                    store.keys.allSegments, stored.client, without: store.keys.prefix)
                    == values(
                        stored.keys.allSegments, stored.client, without: stored.keys.prefix))
        }
    }

    @Test("a store that begins otherwise, were it by one event only, is not continued")
    func anotherPast() async throws {
        try await withArchive { bench, stored, store in
            let head = Head(
                sequence: 1, eventHash: .zero, sealedTimestamp: 1,
                tree: try MerkleFrontier(size: 1, hashes: [.sha256([1])]))
            let pairs = [
                (store.keys.counter, Array("1".utf8)), (store.keys.head, head.encodedJSON()),
                (store.keys.format, LedgerFormat.one.value),
            ]
            _ = try await stored.client.transaction(
                EtcdTransaction(success: pairs.map { .put(key: $0.0, value: $0.1) }))
            let error = await #expect(throws: RecoveryError.self) {
                try await recovery(bench, store).run(confirm: { _ in true }, progress: { _ in })
            }
            guard case .anotherPast(1) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(try await store.observe().observation.head == head)
        }
    }

    @Test(
        "it waits until the lease of a replica that was killed has ended, and reads the head only then"
    )
    func lease() async throws {
        try await withArchive { bench, stored, store in
            let client = stored.client
            let lease = try await client.grantLease(ttlSeconds: 2, options: EtcdRequestOptions())
            let hint = SealerHint(address: "killed:50052", id: "killed").encodedJSON()
            _ = try await client.transaction(
                EtcdTransaction(success: [
                    .put(key: store.keys.sealer, value: hint, lease: lease.id)
                ]))
            var waited = 0
            let plan = try await recovery(bench, store).run(confirm: { _ in true }) { progress in
                if case .waiting(let address) = progress {
                    #expect(address == "killed:50052")
                    waited += 1
                } else if waited == 0 {
                    Issue.record("it did not wait")
                }
            }
            #expect(plan?.size == UInt64(Self.size))
            #expect(waited > 0)
        }
    }
}
