import LedgerArchive
import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import Logging
import Synchronization
import Testing

/// Nothing leaves etcd that the archive did not give back, whole and right, just before (protocol.md 26).
@Suite("Reading back before trimming")
struct TrimReadBackTests {
    private enum Damage: CaseIterable {
        case lost, truncated, extended, firstByte, middleByte, lastByte, ofAnother
    }

    /// Between two looks at it a time goes by; and it tells how long it was slept by.
    private final class TickingTime: ReplicaClock {
        private let step: Nanoseconds
        private let state = Mutex((now: MonotonicInstant(nanoseconds: 0), rests: [Nanoseconds]()))

        init(step: Nanoseconds) { self.step = step }

        var now: MonotonicInstant {
            state.withLock {
                $0.now = $0.now + step
                return $0.now
            }
        }
        var moment: Moment { Moment(now: now, wall: .unsampled) }
        var rests: [Nanoseconds] { state.withLock { $0.rests } }

        func sleep(for length: Nanoseconds) async throws {
            state.withLock { $0.rests.append(length) }
        }
        func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
    }

    /// The ledger whose events are old enough, and an archive with all of it.
    private struct Bench {
        let ledger: PreparedLedger
        let etcd: SimulatedEtcd
        let archive: SimulatedArchive
        let store: LedgerStore

        init(events: UInt64, sizes: [Int]) throws {
            ledger = try PreparedLedger.with(events: events, sizes: sizes)
            etcd = ledger.etcd()
            archive = ledger.archive()
            store = LedgerStore(store: etcd, keys: ledger.keys, archived: archive)
            let record = try ArchiveRecord(
                location: SimulatedArchive.location, through: ledger.head)
            etcd.put(ledger.keys.archive, record.encodedJSON())
        }

        var readBack: ArchiveReadBack { readBack(clock: nil) }

        func readBack(clock: (any ReplicaClock)?) -> ArchiveReadBack {
            let ledger = ledger
            return ArchiveReadBack(
                store: store, archive: archive,
                tree: TreeReader(store: store, tree: { ledger.batches.last?.tiles }), clock: clock)
        }

        var trimmer: Trimmer { trimmer(segmentsAtOnce: 1) }

        func trimmer(segmentsAtOnce: UInt64) -> Trimmer {
            var settings = TrimSettings(
                location: SimulatedArchive.location, retainedEvents: TrimSettings.leastRetained)
            settings.segmentsAtOnce = segmentsAtOnce
            return Trimmer(
                settings: settings, store: store, archive: readBack, clock: NoTime(),
                logger: Logger(label: "trimmer") { _ in SwiftLogNoOpLogHandler() },
                isWanted: { true })
        }

        func damage(_ name: SimulatedArchive.Name, _ damage: Damage) throws {
            var bytes = try #require(ledger.objects[name])
            switch damage {
            case .lost:
                archive[name] = nil
                return
            case .truncated: bytes.removeLast()
            case .extended: bytes.append(0)
            case .firstByte: bytes[0] ^= 0x80
            case .middleByte: bytes[bytes.count / 2] ^= 1
            case .lastByte: bytes[bytes.count - 1] ^= 1
            case .ofAnother:
                switch name {
                case .bundle(let index): bytes = try #require(ledger.objects[.bundle(index ^ 1)])
                case .tile(let id):
                    bytes = try #require(
                        ledger.objects[.tile(TileID(level: 0, index: id.index ^ 1))])
                case .segment(let number):
                    bytes = try #require(ledger.objects[.segment(number ^ 1)])
                }
            }
            archive[name] = bytes
        }

        func mend(_ name: SimulatedArchive.Name) { archive[name] = ledger.objects[name] }

        var trimmed: SequenceNumber {
            etcd.snapshot.keys[ledger.keys.archive]
                .flatMap { try? ArchiveRecord(decodingJSON: $0.value).trimmed } ?? .zero
        }
    }

    @Test("what is right is read back; one wrong or missing object of a segment is not")
    func objects() async throws {
        let bench = try Bench(events: 17_000, sizes: [700, 333, 1_024, 3])
        let right = [
            SegmentsDigest.ofSegment(try #require(bench.ledger.objects[.segment(0)])),
            SegmentsDigest.ofSegment(try #require(bench.ledger.objects[.segment(1)])),
        ]
        #expect(try await bench.readBack.readBack(0..<2) == right)
        let names: [SimulatedArchive.Name] = [
            .segment(1), .bundle(16), .bundle(19), .tile(TileID(level: 0, index: 17)),
            .tile(TileID(level: 0, index: 18)),
        ]
        for name in names {
            for damage in Damage.allCases {
                try bench.damage(name, damage)
                await #expect(throws: LedgerStoreError.self, "\(name), \(damage)") {
                    try await bench.readBack.readBack(1..<2)
                }
                bench.mend(name)
            }
        }
        // What comes before such an object does not wait for it.
        for name in [SimulatedArchive.Name.bundle(31), .tile(TileID(level: 0, index: 31))] {
            try bench.damage(name, .lost)
            #expect(try await bench.readBack.readBack(0..<2) == [right[0]], "\(name)")
            bench.mend(name)
        }
        try bench.damage(.bundle(3), .lastByte)
        await #expect(throws: LedgerStoreError.self) {
            try await bench.readBack.readBack(0..<2)
        }
        #expect(try await bench.readBack.readBack(1..<2) == [right[1]])
    }

    @Test("a tile of level 1 is read back with the events that make it full")
    func higherTile() async throws {
        let bench = try Bench(events: 66_000, sizes: [1_024])
        let name = SimulatedArchive.Name.tile(TileID(level: 1, index: 0))
        _ = try await bench.readBack.readBack(15..<16)
        for damage in Damage.allCases {
            try bench.damage(name, damage)
            await #expect(throws: LedgerStoreError.self, "\(damage)") {
                try await bench.readBack.readBack(15..<16)
            }
        }
    }

    @Test("one object that is missing or wrong keeps all events in etcd, until it is mended")
    func nothingIsDeleted() async throws {
        let bench = try Bench(events: 17_000, sizes: [700, 333, 1_024, 3])
        let before = bench.etcd.snapshot
        for (name, damage) in [
            (SimulatedArchive.Name.bundle(9), Damage.lost), (.bundle(0), .middleByte),
            (.tile(TileID(level: 0, index: 15)), .lost), (.segment(0), .lastByte),
        ] {
            try bench.damage(name, damage)
            let trimmer = bench.trimmer
            var next = TrimMachine.Action.wait(.zero)
            for _ in 0..<40 { next = await trimmer.perform(next) }
            #expect(bench.trimmed == .zero, "\(name), \(damage)")
            #expect(bench.etcd.snapshot.revision == before.revision, "\(name), \(damage)")
            #expect(trimmer.status.trouble != nil, "\(name), \(damage)")
            bench.mend(name)
        }
        let trimmer = bench.trimmer
        var next = TrimMachine.Action.wait(.zero)
        for _ in 0..<400 { next = await trimmer.perform(next) }
        #expect(bench.trimmed == 8_192)
        #expect(trimmer.status.trouble == nil)
        #expect(bench.etcd.deletable(bench.ledger.keys, trimmed: 8_192).isEmpty)
    }

    @Test("between groups of bundles sealing has as much time as one took, and 20 ms at most")
    func rests() async throws {
        let bench = try Bench(events: 17_000, sizes: [1_024])
        for (step, rest) in [(7, 7), (300, 20)] as [(Int64, Int64)] {
            let time = TickingTime(step: .milliseconds(step))
            _ = try await bench.readBack(clock: time).readBack(0..<1)
            #expect(time.rests == Array(repeating: .milliseconds(rest), count: 4))
        }
    }

    @Test("one object that is missing keeps in etcd what is behind it, and not what comes before")
    func onlyWhatIsBehind() async throws {
        let bench = try Bench(events: 17_000, sizes: [700, 333, 1_024, 3])
        try bench.damage(.bundle(20), .lost)
        let trimmer = bench.trimmer(segmentsAtOnce: 16)
        var next = TrimMachine.Action.wait(.zero)
        for _ in 0..<400 where trimmer.status.trouble == nil {
            next = await trimmer.perform(next)
        }
        #expect(bench.trimmed == 4_096)
        #expect(trimmer.status.trouble?.contains("bundle(20)") == true)
        #expect(bench.etcd.deletable(bench.ledger.keys, trimmed: 4_096).isEmpty)
        bench.mend(.bundle(20))
        for _ in 0..<400 where bench.trimmed < 8_192 { next = await trimmer.perform(next) }
        #expect(bench.trimmed == 8_192)
        #expect(trimmer.status.trouble == nil)
        let digest = try #require(bench.etcd.snapshot.keys[bench.ledger.keys.archivedIds]?.value)
        var whole = SegmentsDigest()
        for number in UInt64(0)..<2 {
            whole.append(
                SegmentsDigest.ofSegment(try #require(bench.ledger.objects[.segment(number)])))
        }
        #expect(digest == whole.encodedJSON())
    }
}
