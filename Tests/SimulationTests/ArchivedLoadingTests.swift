import EtcdGateway
import LedgerCore
import LedgerStore
import Synchronization
import Testing

@Suite("Loading what has left etcd")
struct ArchivedLoadingTests {
    /// A ledger of which a part has left etcd.
    private struct Trimmed {
        var writer = LedgerWriter()
        let archive = SimulatedArchive()

        /// - Parameter blocks: the sizes of blocks, in turn.
        init(events: UInt64, blocks: [Int] = [1_000, 7, 1_024]) throws {
            try writer.fill(to: events, blocks: blocks)
            archive.fill(from: writer.store, writer.ledger.keys)
        }

        var store: LedgerStore {
            var store = writer.ledger
            store.archived = archive
            return store
        }

        /// Lets events leave etcd, and records what their ids segments were.
        func trim(to number: UInt64) throws {
            try writer.store.trim(
                writer.ledger.keys, to: SequenceNumber(number),
                through: writer.known.head.sequence)
        }

        func digest(of count: UInt64) throws -> SegmentsDigest {
            var digest = SegmentsDigest()
            for number in 0..<count {
                let bytes = try #require(archive[.segment(number)])
                digest.append(SegmentsDigest.ofSegment(bytes))
            }
            return digest
        }

        func load(
            archived: (any ArchivedPast)? = nil, progress: @Sendable (UInt64) -> Void = { _ in }
        ) async throws -> LedgerState {
            var store = store
            if let archived { store.archived = archived }
            let observation = try await store.observe().observation
            return try await LedgerLoader(store).load(
                upTo: observation, indexSeed: 7, progress: progress)
        }

        func expectEqual(_ loaded: LedgerState) throws {
            let known = writer.known
            // Revision and format are those of the trim.
            #expect(loaded.head == known.head)
            #expect(loaded.tiles == known.tiles)
            #expect(loaded.index.count == known.index.count)
            #expect(loaded.index.fullSegments == known.index.fullSegments)
            #expect(loaded.index.openSegment == known.index.openSegment)
            for segment in 0...known.index.fullSegments.count {
                let digest = known.index.digest(ofSegment: segment)
                #expect((digest == nil) == (segment == known.index.fullSegments.count))
                #expect(loaded.index.digest(ofSegment: segment) == digest)
            }
            for number in 1...known.head.sequence.rawValue {
                let number = SequenceNumber(number)
                let id = try EventID(validating: Array("event-\(number)".utf8))
                let isFound = loaded.index.candidates(for: Fingerprint(of: id)).contains(number)
                let start = loaded.index.blockStart(containing: number)
                guard isFound, start == known.index.blockStart(containing: number) else {
                    Issue.record("number \(number) is not indexed as it was sealed")
                    return
                }
            }
        }
    }

    /// Expects trouble with the archive, which says nothing against the ledger.
    private func expectTrouble(
        _ wanted: (ArchiveTrouble) -> Bool, _ body: () async throws -> Void
    ) async {
        do {
            try await body()
            Issue.record("it was believed")
        } catch let error as LedgerStoreError {
            guard case .archive(let trouble) = error.code, wanted(trouble) else {
                Issue.record("\(error)")
                return
            }
        } catch {
            Issue.record("\(error)")
        }
    }

    private func isAnything(_ trouble: ArchiveTrouble) -> Bool { true }

    private func isNotConfigured(_ trouble: ArchiveTrouble) -> Bool {
        trouble == .notConfigured(location: SimulatedArchive.location)
    }

    private func contradicts(_ trouble: ArchiveTrouble) -> Bool {
        if case .contradicts = trouble { true } else { false }
    }

    @Test(
        "protocol.md 26: what was trimmed is loaded as if it were still in etcd",
        arguments: [(9_000, 4_096), (12_288, 8_192), (70_000, 61_440), (150_000, 139_264)]
            as [(UInt64, UInt64)])
    func loads(events: UInt64, trimmed: UInt64) async throws {
        let ledger = try Trimmed(events: events)
        try ledger.trim(to: trimmed)
        let loaded = try await ledger.load()
        try ledger.expectEqual(loaded)
        for segment in 0..<events / 4_096 {
            let bytes = try #require(ledger.archive[.segment(segment)])
            #expect(
                loaded.index.digest(ofSegment: segment) == SegmentsDigest.ofSegment(bytes))
        }
    }

    @Test("a ledger of which everything but the last events has left etcd, blocks ending there too")
    func atTheEdge() async throws {
        for events in [8_192, 8_193, 8_200] as [UInt64] {
            let ledger = try Trimmed(events: events, blocks: [1_024])
            try ledger.trim(to: 8_192)
            try ledger.expectEqual(try await ledger.load())
        }
    }

    @Test("progress is told in order, up to the head")
    func progress() async throws {
        let ledger = try Trimmed(events: 150_000)
        try ledger.trim(to: 139_264)
        let told = Mutex<[UInt64]>([])
        _ = try await ledger.load { events in told.withLock { $0.append(events) } }
        let events = told.withLock { $0 }
        #expect(events == events.sorted())
        #expect(events.first == 8 * 4_096)
        #expect(events.last == 150_000)
    }

    @Test(
        "protocol.md 26: a wrong byte in an archived segment is found, and is the archive's fault",
        arguments: [(0, 0), (0, 33_279), (7, 40), (14, 32_768)] as [(UInt64, Int)])
    func wrongByte(segment: UInt64, place: Int) async throws {
        let ledger = try Trimmed(events: 70_000)
        try ledger.trim(to: 61_440)
        ledger.archive[.segment(segment)]?[place] ^= 1
        await expectTrouble(contradicts) { _ = try await ledger.load() }
        ledger.archive[.segment(segment)]?[place] ^= 1
        try ledger.expectEqual(try await ledger.load())
    }

    @Test("segments that are truncated, too long, empty, or another one's are not believed")
    func wrongSegments() async throws {
        let ledger = try Trimmed(events: 40_000)
        try ledger.trim(to: 28_672)
        let right = try #require(ledger.archive[.segment(3)])
        let other = try #require(ledger.archive[.segment(4)])
        for wrong in [Array(right.dropLast()), right + [0], [], other] {
            ledger.archive[.segment(3)] = wrong
            await expectTrouble(contradicts) { _ = try await ledger.load() }
        }
        ledger.archive[.segment(3)] = nil
        await expectTrouble(isAnything) { _ = try await ledger.load() }
        // Two that have changed places: each is a segment of this ledger.
        ledger.archive[.segment(3)] = other
        ledger.archive[.segment(4)] = right
        await expectTrouble(contradicts) { _ = try await ledger.load() }
    }

    @Test("tiles and blocks of the edge that come wrong from the archive are the archive's fault")
    func wrongEdge() async throws {
        let ledger = try Trimmed(events: 8_193, blocks: [1_024])
        try ledger.trim(to: 8_192)
        for name in [
            SimulatedArchive.Name.tile(TileID(level: 0, index: 31)),
            .tile(TileID(level: 0, index: 0)), .bundle(31),
        ] {
            let right = try #require(ledger.archive[name])
            ledger.archive[name]?[100] ^= 1
            await expectTrouble(isAnything) { _ = try await ledger.load() }
            ledger.archive[name] = Array(right.dropLast())
            await expectTrouble(isAnything) { _ = try await ledger.load() }
            ledger.archive[name] = right
        }
        try ledger.expectEqual(try await ledger.load())
    }

    @Test("without an archive it is said where the events are")
    func notConfigured() async throws {
        let ledger = try Trimmed(events: 20_000)
        try ledger.trim(to: 8_192)
        let store = ledger.writer.ledger
        let observation = try await store.observe().observation
        await expectTrouble(isNotConfigured) {
            _ = try await LedgerLoader(store).load(upTo: observation, indexSeed: 7)
        }
    }

    @Test("events that are trimmed without a digest of their ids are an inconsistency of etcd's")
    func noDigest() async throws {
        let ledger = try Trimmed(events: 20_000)
        try ledger.trim(to: 8_192)
        ledger.writer.store.put(
            ledger.writer.ledger.keys.archivedIds, try ledger.digest(of: 1).encodedJSON())
        do {
            _ = try await ledger.load()
            Issue.record("it was believed")
        } catch let error as LedgerStoreError {
            guard case .inconsistent = error.code else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test("what leaves etcd while it is being loaded is compared with its digest too")
    func trimmedMeanwhile() async throws {
        for lies in [false, true] {
            let ledger = try Trimmed(events: 60_000)
            try ledger.trim(to: 8_192)
            let past = PastWithHook(ledger.archive) { number in
                guard number == 1 else { return }
                try ledger.trim(to: 49_152)
                if lies { ledger.archive[.segment(9)]?[5] ^= 1 }
            }
            if lies {
                await expectTrouble(contradicts) { _ = try await ledger.load(archived: past) }
            } else {
                try ledger.expectEqual(try await ledger.load(archived: past))
            }
        }
    }

    // MARK: Falling behind

    @Test(
        "protocol.md 23: a replica that fell behind goes on through the archive",
        arguments: [1_500, 4_096, 5_007, 8_192, 20_480] as [UInt64])
    func followsThroughArchive(known: UInt64) async throws {
        var ledger = try Trimmed(events: known)
        let behind = ledger.writer.known
        try ledger.writer.fill(to: 40_000, blocks: [900, 3])
        ledger.archive.fill(from: ledger.writer.store, ledger.writer.ledger.keys)
        try ledger.trim(to: 28_672)
        let store = ledger.store
        let observation = try await store.observe().observation
        let (state, first) = try await LedgerLoader(store).load(upTo: observation, after: behind)
        try ledger.expectEqual(state)
        #expect(first.first == SequenceNumber(known + 1))
        #expect(first.previousHash == behind.head.eventHash)
    }

    @Test("an archive that lies to a replica that fell behind is not believed, and fences nobody")
    func liesToWhoFollows() async throws {
        var ledger = try Trimmed(events: 5_007)
        let behind = ledger.writer.known
        try ledger.writer.fill(to: 40_000, blocks: [900, 3])
        ledger.archive.fill(from: ledger.writer.store, ledger.writer.ledger.keys)
        try ledger.trim(to: 28_672)
        let store = ledger.store
        let observation = try await store.observe().observation
        let lies: [(SimulatedArchive.Name, Int)] = [
            // The segment in which the known events end, behind that; the next one; the next block; a tile.
            (.segment(1), 32_767), (.segment(2), 0), (.bundle(19), 40_000),
            (.tile(TileID(level: 0, index: 60)), 5),
        ]
        for (name, place) in lies {
            let right = try #require(ledger.archive[name])
            ledger.archive[name]?[min(place, right.count - 1)] ^= 1
            await expectTrouble(isAnything) {
                _ = try await LedgerLoader(store).load(upTo: observation, after: behind)
            }
            ledger.archive[name] = right
        }
        // Of what is known already nothing is taken from the archive.
        ledger.archive[.segment(1)]?[8] ^= 1
        let (state, _) = try await LedgerLoader(store).load(upTo: observation, after: behind)
        try ledger.expectEqual(state)
    }
}

/// Does something when a segment is read.
private final class PastWithHook: ArchivedPast {
    private let archive: SimulatedArchive
    private let hook: @Sendable (UInt64) throws -> Void

    init(_ archive: SimulatedArchive, hook: @escaping @Sendable (UInt64) throws -> Void) {
        self.archive = archive
        self.hook = hook
    }

    func segment(
        _ number: UInt64, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] {
        do { try hook(number) } catch { Issue.record("\(error)") }
        return try await archive.segment(number, trust)
    }

    func bundle(_ index: UInt64, _ trust: ArchiveTrust) async throws(LedgerStoreError) -> [UInt8] {
        try await archive.bundle(index, trust)
    }

    func tile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8] {
        try await archive.tile(id)
    }
}
