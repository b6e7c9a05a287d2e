import EtcdGateway
import LedgerCore
import LedgerStore
import Synchronization
import Testing

/// What has left etcd is read from the archive, as if it had not (protocol.md 26).
@Suite("Reading trimmed events")
struct ArchivedPastTests {
    /// Everything that readers ask a store for.
    private struct Everything: Equatable {
        var blocks: [StoredBlock] = []
        var single: [SequenceNumber: [UInt8]] = [:]
        var starts: [SequenceNumber: SequenceNumber] = [:]
        var segments: [StoredSegment] = []
        var tiles: [Int: [Tile]] = [:]

        init(_ ledger: LedgerStore, through head: SequenceNumber) async throws {
            var pages = BlockPages(ledger, from: .first, through: head)
            while case let page = try await pages.nextPage(), !page.isEmpty { blocks += page }
            for number in stride(from: UInt64(1), through: head.rawValue, by: 61) {
                let number = SequenceNumber(number)
                starts[number] = try await ledger.newestBlockStart(atOrBelow: number)
            }
            for block in blocks {
                single[block.first] = try await ledger.block(first: block.first)
                single[block.first.next] = try await ledger.block(first: block.first.next)
            }
            var number: UInt64 = 0
            let end = head.rawValue / 4_096
            while case let page = try await ledger.segments(from: number, end: end, limit: 3),
                !page.isEmpty
            {
                segments += page
                number += UInt64(page.count)
            }
            for level in 0...1 {
                let end = head.rawValue >> UInt64(8 * (level + 1))
                var page = try await ledger.tiles(level: level, from: 0, end: end, limit: 7)
                while !page.isEmpty {
                    tiles[level, default: []] += page
                    page = try await ledger.tiles(
                        level: level, from: UInt64(tiles[level]?.count ?? 0), end: end, limit: 7)
                }
            }
        }
    }

    /// A ledger of 9,500 events or a few more; `sizes` are those of its blocks in turn.
    private func ledger(_ sizes: [Int] = [30, 1, 700, 333]) throws -> PreparedLedger {
        try .with(events: 9_500, sizes: sizes)
    }

    private func store(
        _ etcd: any KeyValueStore, _ ledger: PreparedLedger, _ archive: (any ArchivedPast)?
    ) -> LedgerStore {
        LedgerStore(store: etcd, keys: ledger.keys, archived: archive)
    }

    @Test(
        "every read answers after trimming what it answered before",
        arguments: [[30, 1, 700, 333], [1_024], [1_000]], [4_096, 8_192])
    func sameAnswers(sizes: [Int], trimmed: UInt64) async throws {
        let made = try ledger(sizes)
        let (etcd, archive, keys) = (made.etcd(), made.archive(), made.keys)
        let before = try await Everything(store(etcd, made, nil), through: made.head)
        #expect(before.blocks.first?.first == 1)
        #expect(before.tiles[0]?.count == Int(made.head.rawValue / 256))
        let trimmed = SequenceNumber(trimmed)
        // Half of it at first: others may have come no further.
        try etcd.trim(keys, to: trimmed, through: made.head, deleting: false)
        let doomed = etcd.deletable(keys, trimmed: trimmed)
        #expect(!doomed.isEmpty)
        for half in [doomed.prefix(doomed.count / 2), doomed[...]] {
            etcd.remove(half)
            let after = try await Everything(store(etcd, made, archive), through: made.head)
            #expect(after == before)
            let stored = try await Everything(
                store(etcd, made, archive).asStored.patient, through: made.head)
            #expect(stored == before)
        }
        #expect(etcd.snapshot.keys[keys.block(1)] == nil)
        // And a replica that starts.
        let observation = try await store(etcd, made, archive).observe().observation
        let loaded = try await LedgerLoader(store(etcd, made, archive)).load(
            upTo: observation, indexSeed: 3)
        #expect(loaded.head == observation.head)
        #expect(loaded.format == .two)
    }

    @Test("the newest trimmed number that was seen saves the reads of etcd, in all variants")
    func watermark() async throws {
        let made = try ledger()
        let (etcd, archive, keys) = (made.etcd(), made.archive(), made.keys)
        try etcd.trim(keys, to: 8_192, through: made.head)
        let metered = MeteredStore(etcd)
        let ledger = LedgerStore(store: metered, keys: keys, archived: archive)
        let patient = ledger.patient
        #expect(try await ledger.block(first: 1) != nil)
        #expect(metered.reads.count == 1)
        #expect(metered.transactions == 1)
        for variant in [ledger, patient, patient.urgent, ledger.asStored] {
            #expect(try await variant.block(first: 31) != nil)
            #expect(try await variant.tile(TileID(level: 0, index: 4)) != nil)
            #expect(try await variant.segments(from: 1, end: 2, limit: 1).count == 1)
            #expect(try await variant.newestBlockStart(atOrBelow: 5_000) != nil)
        }
        #expect(metered.reads.count == 1)
        #expect(metered.transactions == 1)
        // A head that was observed is enough.
        let other = LedgerStore(store: metered, keys: keys, archived: archive)
        #expect(try await other.observe().archive?.record.trimmed == 8_192)
        #expect(try await other.block(first: 1) != nil)
        #expect(metered.reads.count == 1)
    }

    @Test("above the trimmed number, what is missing is missing")
    func findings() async throws {
        let made = try ledger([10])
        let (etcd, archive, keys) = (made.etcd(), made.archive(), made.keys)
        try etcd.trim(keys, to: 4_096, through: made.head)
        for key in [keys.block(8_001), keys.tile(TileID(level: 0, index: 20)), keys.ids(1)] {
            etcd.snapshot.keys[key] = nil
        }
        let ledger = store(etcd, made, archive)
        #expect(try await ledger.block(first: 8_001) == nil)
        #expect(try await ledger.tile(TileID(level: 0, index: 20)) == nil)
        #expect(try await ledger.segments(from: 1, end: 2, limit: 1).isEmpty)
        await #expect(throws: LedgerStoreError.self) {
            try await ledger.tiles(level: 0, from: 20, end: 22, limit: 2)
        }
        var pages = BlockPages(ledger, from: 7_991, through: 8_050)
        var firsts: [SequenceNumber] = []
        while case let page = try await pages.nextPage(), !page.isEmpty {
            firsts += page.map(\.first)
        }
        #expect(firsts == [7_991, 8_011, 8_021, 8_031, 8_041])
        #expect(archive.reads.isEmpty)
    }

    @Test("protocol.md 26: what is missing where a later version writes the ledger is no finding")
    func laterFormat() async throws {
        let made = try ledger([10])
        let (etcd, archive, keys) = (made.etcd(), made.archive(), made.keys)
        etcd.put(keys.format, Array("3".utf8))
        let tile = TileID(level: 0, index: 20)
        for key in [keys.block(8_001), keys.tile(tile), keys.ids(1)] {
            etcd.snapshot.keys[key] = nil
        }
        let ledger = store(etcd, made, archive)
        await expectLaterFormat { _ = try await ledger.block(first: 8_001) }
        await expectLaterFormat { _ = try await ledger.tile(tile) }
        await expectLaterFormat { _ = try await ledger.segments(from: 1, end: 2, limit: 1) }
        await expectLaterFormat {
            _ = try await ledger.blocks(from: 8_001, through: 8_050, limit: 9)
        }
        // What is there is what it was.
        #expect(try await ledger.block(first: 8_011) != nil)
    }

    private func expectLaterFormat(_ read: () async throws -> Void) async {
        do {
            try await read()
            Issue.record("what is missing is taken for lost")
        } catch {
            guard case .unsupportedFormat("3")? = (error as? LedgerStoreError)?.code else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test("a process that is told of no archive says what to set")
    func notConfigured() async throws {
        let made = try ledger()
        let (etcd, keys) = (made.etcd(), made.keys)
        try etcd.trim(keys, to: 8_192, through: made.head)
        let ledger = store(etcd, made, nil)
        for _ in 0..<2 {
            do {
                _ = try await ledger.block(first: 1)
                Issue.record("the block was read")
            } catch {
                guard case .archive(.notConfigured(SimulatedArchive.location)) = error.code else {
                    Issue.record("\(error)")
                    return
                }
            }
        }
        #expect(try await ledger.newestBlockStart(atOrBelow: made.head) != nil)
    }

    @Test(
        "protocol.md 26: the record is read after the miss, so that what is trimmed meanwhile is no finding"
    )
    func trimmedWhileReading() async throws {
        for place in 1...4 {
            let made = try ledger([10])
            let (etcd, archive, keys) = (made.etcd(), made.archive(), made.keys)
            // Right before the request in that place, somebody trims; and once more a little later.
            let racing = RacingStore(etcd) { [store = etcd] count in
                if count == place { try store.trim(keys, to: 4_096, through: made.head) }
                if count == place + 2 { try store.trim(keys, to: 8_192, through: made.head) }
            }
            let ledger = LedgerStore(store: racing, keys: keys, archived: archive)
            var pages = BlockPages(ledger, from: .first, through: made.head)
            var blocks: [StoredBlock] = []
            while case let page = try await pages.nextPage(), !page.isEmpty { blocks += page }
            #expect(blocks == made.blocks, "trimmed before request \(place)")
            let straddling = made.blocks.first { $0.first == 4_091 }
            #expect(try await ledger.block(first: 4_091) == straddling?.bytes)
        }
    }

    @Test(
        "a block that reaches the trimmed number is read whole, however far it reaches and whatever is trimmed meanwhile"
    )
    func straddling() async throws {
        // Blocks straddle 4,096 and 8,192, or end with them.
        for sizes in [[1_000], [1_024], [30, 1, 700, 333]] {
            for place in 1...5 {
                let made = try ledger(sizes)
                let (etcd, archive, keys) = (made.etcd(), made.archive(), made.keys)
                try etcd.trim(keys, to: 4_096, through: made.head)
                let racing = RacingStore(etcd) { [store = etcd] count in
                    if count == place { try store.trim(keys, to: 8_192, through: made.head) }
                }
                let ledger = LedgerStore(store: racing, keys: keys, archived: archive)
                _ = try await ledger.archive()
                for block in made.blocks where (2_000...9_300).contains(block.first.rawValue) {
                    #expect(
                        try await ledger.block(first: block.first) == block.bytes,
                        "\(sizes), \(place), \(block.first)")
                }
            }
        }
    }

    @Test("a member's copy that is behind still has the block, or says that it is behind")
    func copies() async throws {
        let endpoints = [SimulatedEtcd.endpoint]
        let made = try ledger([1_000])
        let (etcd, archive, keys) = (made.etcd(), made.archive(), made.keys)
        // The copy has neither the record nor the block that straddles.
        let copy = made.etcd(batches: 4)
        let whole = try await Everything(store(etcd, made, nil), through: made.head)
        try etcd.trim(keys, to: 4_096, through: made.head)
        let failing = FailingStore(etcd, copies: [endpoints[0]: copy])
        let now = MonotonicInstant(nanoseconds: 0)
        let ledger = LedgerStore(
            store: failing, keys: keys, members: EtcdMembers(endpoints: endpoints) { now },
            archived: archive)
        let seen = try #require(await ledger.observeCopies(timeout: .seconds(1)))
        #expect(seen.observation.head.sequence == 4_000)
        #expect(seen.archive == nil)
        let own = ledger.copy(of: seen.member)
        #expect(try await own.block(first: 1) == whole.single[1])
        #expect(archive.reads.isEmpty)
        #expect(try await own.block(first: 4_001) == nil)
        // Another variant has seen the record: blocks that end below it are read from the archive. Where one ends
        // that the copy does not have, the copy cannot tell.
        #expect(try await ledger.archive() != nil)
        #expect(try await own.block(first: 1) == whole.single[1])
        await #expect(throws: LedgerStoreError.self) { try await own.block(first: 4_001) }
        #expect(try await ledger.block(first: 4_001) == whole.single[4_001])
        // It has caught up.
        copy.snapshot = etcd.snapshot
        #expect(try await own.block(first: 4_001) == whole.single[4_001])
        #expect(try await Everything(own, through: made.head) == whole)
    }

    @Test("an archive that answers with what cannot be is not believed")
    func nonsense() async throws {
        let made = try ledger([10])
        let (etcd, archive, keys) = (made.etcd(), made.archive(), made.keys)
        try etcd.trim(keys, to: 8_192, through: made.head)
        let bundle = try #require(archive[.bundle(0)])
        let segment = try #require(archive[.segment(0)])
        for wrong in [[], Array(bundle.dropLast()), bundle + [0], Array(bundle.dropFirst(2))] {
            archive[.bundle(0)] = wrong
            await expectTrouble(store(etcd, made, archive))
        }
        archive[.bundle(0)] = bundle
        for wrong in [[], Array(segment.dropLast()), segment.map { _ in UInt8(0) }] {
            archive[.segment(0)] = wrong
            await expectTrouble(store(etcd, made, archive), ofFirst: wrong.count != segment.count)
        }
    }

    private func expectTrouble(_ ledger: LedgerStore, ofFirst: Bool = true) async {
        do {
            if ofFirst { _ = try await ledger.block(first: 1) }
            var pages = BlockPages(ledger, from: .first, through: 9_000)
            _ = try await pages.nextPage()
            Issue.record("nonsense was believed")
        } catch {
            guard case .archive(.contradicts) = error.code else {
                Issue.record("\(error)")
                return
            }
        }
    }
}

/// A store beside which somebody does something right before a request.
private final class RacingStore: EtcdAccess {
    private let store: SimulatedEtcd
    private let count = Mutex(0)
    private let act: @Sendable (Int) throws -> Void

    init(_ store: SimulatedEtcd, _ act: @escaping @Sendable (Int) throws -> Void) {
        self.store = store
        self.act = act
    }

    func ask(
        _ question: EtcdQuestion, _ options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdAnswer {
        let count = count.withLock { count in
            count += 1
            return count
        }
        do { try act(count) } catch { preconditionFailure("\(error)") }
        return try store.answer(question).get()
    }
}
