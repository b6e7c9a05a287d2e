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

    /// A ledger of 13,000 events; `sizes` are those of its blocks in turn.
    private func ledger(_ sizes: [Int] = [30, 1, 700, 333]) throws -> (
        LedgerWriter, SimulatedArchive
    ) {
        var writer = LedgerWriter()
        try writer.fill(to: 13_000, blocks: sizes)
        let archive = SimulatedArchive()
        archive.fill(from: writer.store, writer.ledger.keys)
        return (writer, archive)
    }

    private func store(_ writer: LedgerWriter, _ archive: (any ArchivedPast)?) -> LedgerStore {
        LedgerStore(store: writer.store, keys: writer.ledger.keys, archived: archive)
    }

    @Test(
        "every read answers after trimming what it answered before",
        arguments: [[30, 1, 700, 333], [1_024], [1_000], [7, 1, 1, 1_024]], [4_096, 8_192, 12_288])
    func sameAnswers(sizes: [Int], trimmed: UInt64) async throws {
        let (writer, archive) = try ledger(sizes)
        let before = try await Everything(store(writer, nil), through: 13_000)
        #expect(before.blocks.first?.first == 1)
        #expect(before.tiles[0]?.count == 50)
        let (keys, trimmed) = (writer.ledger.keys, SequenceNumber(trimmed))
        // Half of it at first: others may have come no further.
        try writer.store.trim(keys, to: trimmed, through: 13_000, deleting: false)
        let doomed = writer.store.deletable(keys, trimmed: trimmed)
        #expect(!doomed.isEmpty)
        for half in [doomed.prefix(doomed.count / 2), doomed[...]] {
            for key in half { writer.store.snapshot.keys[key] = nil }
            let after = try await Everything(store(writer, archive), through: 13_000)
            #expect(after == before)
            let stored = try await Everything(
                store(writer, archive).asStored.patient, through: 13_000)
            #expect(stored == before)
        }
        #expect(writer.store.snapshot.keys[keys.block(1)] == nil)
        // And a replica that starts.
        let observation = try await store(writer, archive).observe().observation
        let loaded = try await LedgerLoader(store(writer, archive)).load(
            upTo: observation, indexSeed: 3)
        #expect(loaded.head == writer.known.head)
        #expect(loaded.format == .two)
    }

    @Test("the newest trimmed number that was seen saves the reads of etcd, in all variants")
    func watermark() async throws {
        let (writer, archive) = try ledger()
        try writer.store.trim(writer.ledger.keys, to: 8_192, through: 13_000)
        let metered = MeteredStore(writer.store)
        let ledger = LedgerStore(store: metered, keys: writer.ledger.keys, archived: archive)
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
        let other = LedgerStore(store: metered, keys: writer.ledger.keys, archived: archive)
        #expect(try await other.observe().archive?.record.trimmed == 8_192)
        #expect(try await other.block(first: 1) != nil)
        #expect(metered.reads.count == 1)
    }

    @Test("above the trimmed number, what is missing is missing")
    func findings() async throws {
        let (writer, archive) = try ledger([10])
        let keys = writer.ledger.keys
        try writer.store.trim(keys, to: 4_096, through: 13_000)
        for key in [keys.block(8_001), keys.tile(TileID(level: 0, index: 20)), keys.ids(1)] {
            writer.store.snapshot.keys[key] = nil
        }
        let ledger = store(writer, archive)
        #expect(try await ledger.block(first: 8_001) == nil)
        #expect(try await ledger.tile(TileID(level: 0, index: 20)) == nil)
        #expect(try await ledger.segments(from: 1, end: 3, limit: 2).first?.key == keys.ids(2))
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

    @Test("a process that is told of no archive says what to set")
    func notConfigured() async throws {
        let (writer, _) = try ledger()
        try writer.store.trim(writer.ledger.keys, to: 8_192, through: 13_000)
        let ledger = store(writer, nil)
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
        #expect(try await ledger.newestBlockStart(atOrBelow: 13_000) != nil)
    }

    @Test(
        "protocol.md 26: the record is read after the miss, so that what is trimmed meanwhile is no finding"
    )
    func trimmedWhileReading() async throws {
        for place in 1...4 {
            let (writer, archive) = try ledger([10])
            let keys = writer.ledger.keys
            let before = try await Everything(store(writer, nil), through: 13_000)
            // Right before the request in that place, somebody trims; and once more a little later.
            let racing = RacingStore(writer.store) { [store = writer.store] count in
                if count == place { try store.trim(keys, to: 4_096, through: 13_000) }
                if count == place + 2 { try store.trim(keys, to: 8_192, through: 13_000) }
            }
            let ledger = LedgerStore(store: racing, keys: keys, archived: archive)
            var pages = BlockPages(ledger, from: .first, through: 13_000)
            var blocks: [StoredBlock] = []
            while case let page = try await pages.nextPage(), !page.isEmpty { blocks += page }
            #expect(blocks == before.blocks, "trimmed before request \(place)")
            #expect(try await ledger.block(first: 4_091) == before.single[4_091])
        }
    }

    @Test(
        "a block that reaches the trimmed number is read whole, however far it reaches and whatever is trimmed meanwhile"
    )
    func straddling() async throws {
        // One block straddles 4,096, another ends with 8,192 and a third straddles 12,288.
        for sizes in [[1_000], [1_024], [512, 300]] {
            for place in 1...5 {
                let (writer, archive) = try ledger(sizes)
                let keys = writer.ledger.keys
                let before = try await Everything(store(writer, nil), through: 13_000)
                try writer.store.trim(keys, to: 4_096, through: 13_000)
                let racing = RacingStore(writer.store) { [store = writer.store] count in
                    if count == place { try store.trim(keys, to: 8_192, through: 13_000) }
                }
                let ledger = LedgerStore(store: racing, keys: keys, archived: archive)
                _ = try await ledger.archive()
                for block in before.blocks where (2_000...9_300).contains(block.first.rawValue) {
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
        var writer = LedgerWriter()
        try writer.fill(to: 4_000, blocks: [1_000])
        // The copy has neither the record nor the block that straddles.
        let copy = SimulatedEtcd()
        copy.snapshot = writer.store.snapshot
        try writer.fill(to: 13_000, blocks: [1_000])
        let archive = SimulatedArchive()
        let keys = writer.ledger.keys
        archive.fill(from: writer.store, keys)
        let whole = try await Everything(store(writer, nil), through: 13_000)
        try writer.store.trim(keys, to: 4_096, through: 13_000)
        let failing = FailingStore(writer.store, copies: [endpoints[0]: copy])
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
        copy.snapshot = writer.store.snapshot
        #expect(try await own.block(first: 4_001) == whole.single[4_001])
        #expect(try await Everything(own, through: 13_000) == whole)
    }

    @Test("an archive that answers with what cannot be is not believed")
    func nonsense() async throws {
        let (writer, archive) = try ledger([10])
        try writer.store.trim(writer.ledger.keys, to: 8_192, through: 13_000)
        let bundle = try #require(archive[.bundle(0)])
        let segment = try #require(archive[.segment(0)])
        for wrong in [[], Array(bundle.dropLast()), bundle + [0], Array(bundle.dropFirst(2))] {
            archive[.bundle(0)] = wrong
            await expectTrouble(store(writer, archive))
        }
        archive[.bundle(0)] = bundle
        for wrong in [[], Array(segment.dropLast()), segment.map { _ in UInt8(0) }] {
            archive[.segment(0)] = wrong
            await expectTrouble(store(writer, archive), ofFirst: wrong.count != segment.count)
        }
    }

    private func expectTrouble(_ ledger: LedgerStore, ofFirst: Bool = true) async {
        do {
            if ofFirst { _ = try await ledger.block(first: 1) }
            var pages = BlockPages(ledger, from: .first, through: 13_000)
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
