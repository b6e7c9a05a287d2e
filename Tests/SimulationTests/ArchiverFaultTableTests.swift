import LedgerArchive
import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import Logging
import ObjectStorage
import Synchronization
import Testing

/// The archiver that ships, on a simulated etcd: every call of a round goes wrong once in every way, and whoever archives
/// is killed between every two of them. At every moment what the checkpoint covers is there (protocol.md 26).
@Suite("Every call of an archiver goes wrong")
struct ArchiverFaultTableTests {
    /// Between the two an ids segment, full tiles and partial ones of both levels come about.
    private static let sizes: [UInt64] = [4_000, 4_200, 4_400]

    @Test(
        "protocol.md 26: at every moment the archive is a whole log of the size that its checkpoint states",
        arguments: ScriptedObjects.Fault.allCases)
    func table(fault: ScriptedObjects.Fault) async throws {
        let bench = try await FaultBench.archived(Self.sizes)
        var call = 0
        while true {
            bench.again()
            bench.objects.script((call, fault))
            let archiver = bench.archiver()
            await bench.round(archiver)
            let isOver = bench.objects.calls <= call
            try await bench.expectWhole("call \(call)", least: 4_000)
            // It tries again by itself; one that was killed is followed by another.
            bench.objects.script(nil)
            await bench.round(fault == .killedBefore || fault == .killedAfter ? nil : archiver)
            try await bench.expectWhole("call \(call), again", least: 4_000)
            if try await bench.size() < 4_200 {
                // The one thing that it does not mend by itself: other bytes, which somebody has to look into.
                #expect(fault.damages, "call \(call)")
                bench.removeWhatIsWrong(4_200)
                await bench.round(archiver)
            }
            #expect(try await bench.size() == 4_200, "call \(call)")
            #expect(try await bench.store.archive()?.record.through == 4_200, "call \(call)")
            try await bench.expectWhole("call \(call), in the end", least: 4_200)
            #expect(bench.objects.violations == [], "call \(call)")
            if isOver { break }
            call += 1
        }
        #expect(call > 15, "a round has more calls than \(call)")
    }

    @Test(
        "whoever is killed in the middle of a round, and whatever was sealed meanwhile, the next one finds nothing in its way"
    )
    func killedAndOvertaken() async throws {
        let bench = try await FaultBench.archived(Self.sizes)
        for call in 0..<20 {
            bench.again()
            bench.objects.script((call, .killedAfter))
            await bench.round()
            bench.objects.script(nil)
            bench.publish(4_400)
            await bench.round()
            #expect(try await bench.size() == 4_400, "call \(call)")
            try await bench.expectWhole("call \(call)", least: 4_400)
        }
    }

    @Test("an archiver that another one overtakes between any two of its calls does no harm")
    func overtaken() async throws {
        let bench = try await FaultBench.archived(Self.sizes)
        var smaller = 0
        for call in 0..<20 {
            bench.again()
            bench.objects.script(nil)
            bench.objects.interrupt(before: call) {
                bench.publish(4_400)
                await bench.round()
            }
            await bench.round()
            #expect(try await bench.faults() == [], "call \(call)")
            if try await bench.size() < 4_400, bench.objects.calls > call { smaller += 1 }
            // Also where the round was over before that call.
            bench.publish(4_400)
            await bench.round()
            try await bench.expectWhole("call \(call), in the end", least: 4_400)
            #expect(bench.objects.violations == [], "call \(call)")
        }
        // Between its last look at the checkpoint and its own: a smaller one is put back, until the next round of anybody.
        #expect(smaller <= 1)
    }

    @Test(
        "a checkpoint is never replaced by a smaller one that was read before, nor by one of another past"
    )
    func neverSmaller() async throws {
        let bench = try await FaultBench(Self.sizes)
        try await bench.learn(Self.sizes)
        bench.publish(4_400)
        await bench.round()
        // etcd's newest signed checkpoint is an older one, as after a lost answer.
        bench.publish(4_200)
        await bench.round()
        #expect(try await bench.size() == 4_400)
        // Of the ledger's key, and of another past.
        let other = try bench.signer.note(size: 4_399, root: .sha256([1])).encoded()
        bench.objects.contents[ArchiveNames.checkpoint] = other
        bench.publish(4_400)
        let archiver = bench.archiver()
        await bench.round(archiver)
        #expect(bench.objects.contents[ArchiveNames.checkpoint] == other)
        #expect(archiver.status.trouble?.code == "not_this_ledgers")
    }
}

/// A ledger in a simulated etcd, and archivers of it.
private final class FaultBench: Sendable {
    let ledger: PreparedLedger
    let etcd: SimulatedEtcd
    let store: LedgerStore
    let tree: TreeReader
    let objects = ScriptedObjects()
    let signer: NoteSigner
    private let time = SteppedTime()
    private let sizes: [UInt64]
    private let notes: [UInt64: [UInt8]]
    /// What the storage and etcd had when the archive had its first size.
    private let start = Mutex<([ObjectName: [UInt8]], SimulatedEtcd.Contents)?>(nil)
    /// The objects of a whole log of each size, each verified by itself.
    private let whole = Mutex<[UInt64: [ObjectName: [UInt8]]]>([:])
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init(_ sizes: [UInt64]) async throws {
        let ledger = try PreparedLedger.with(events: 4_500, sizes: [30, 1, 700, 333])
        self.ledger = ledger
        self.sizes = sizes
        etcd = ledger.etcd()
        let store = LedgerStore(store: etcd, keys: ledger.keys)
        self.store = store
        tree = TreeReader(store: store, tree: { ledger.batches.last?.tiles })
        signer = try NoteSigner(
            name: "localhost/immutable-ledger", privateKey: Array(repeating: 9, count: 32))
        var notes: [UInt64: [UInt8]] = [:]
        for size in sizes {
            notes[size] = try signer.note(size: size, root: try await tree.root(size: size))
                .encoded()
        }
        self.notes = notes
    }

    /// One whose archive has the first of the sizes, and that knows what belongs to each.
    static func archived(_ sizes: [UInt64]) async throws -> FaultBench {
        let bench = try await FaultBench(sizes)
        try await bench.learn(sizes)
        bench.publish(sizes[0])
        await bench.round()
        let now = (bench.objects.contents, bench.etcd.snapshot)
        bench.start.withLock { $0 = now }
        return bench
    }

    /// Everything is as it was when the archive had its first size, and the second one is signed.
    func again() {
        guard let (contents, snapshot) = start.withLock({ $0 }) else { return }
        objects.contents = contents
        etcd.snapshot = snapshot
        publish(sizes[1])
    }

    /// Archives every size for itself, and verifies it: what is there then is what must be there at that size.
    func learn(_ sizes: [UInt64]) async throws {
        let start = etcd.snapshot
        for size in sizes {
            etcd.snapshot = start
            objects.contents = [:]
            publish(size)
            await round()
            let archive = try await ArchiveVerification(objects, keys: [signer.verifier]).verify()
                .archive
            #expect(archive.size == size && archive.objectCount > 30)
            let contents = objects.contents
            whole.withLock { $0[size] = contents }
        }
        etcd.snapshot = start
        objects.contents = [:]
    }

    func publish(_ size: UInt64) {
        if let note = notes[size] { etcd.put(ledger.keys.checkpoint, note) }
    }

    func archiver() -> Archiver {
        Archiver(
            settings: .init(
                interval: .milliseconds(30_000), origin: signer.verifier.name,
                keys: [signer.verifier]),
            store: store, objects: objects, tree: tree, clock: time, logger: logger,
            view: { Archiver.View(leads: true, isFenced: false, head: self.ledger.head) },
            covered: { _, _ in },
            blockStart: { number in self.ledger.blocks.last { $0.first <= number }?.first })
    }

    /// Lets an archiver, or a new one, look and archive once.
    func round(_ archiver: Archiver? = nil) async {
        let archiver = archiver ?? self.archiver()
        time.advance(by: .milliseconds(31_000))
        _ = await archiver.step()
        time.advance(by: .milliseconds(1))
        _ = await archiver.step()
    }

    func size() async throws -> UInt64 {
        try await honest { objects in
            try await ArchiveVerification(objects, keys: [signer.verifier]).checkpoint()
                .checkpoint.size
        }
    }

    /// What is wrong with the archive as a log of the size that its checkpoint states.
    func faults() async throws -> [String] {
        let size = try await size()
        let (wanted, found) = (whole.withLock { $0[size] ?? [:] }, objects.contents)
        guard !wanted.isEmpty else { return ["a log of \(size) events that nobody wanted"] }
        return wanted.filter { !isSame(found[$0.key] ?? [], $0.value) }.map { "\($0.key)" }
    }

    func expectWhole(_ when: String, least: UInt64) async throws {
        #expect(try await faults() == [], "\(when)")
        let (size, through) = (
            try await size(), try await store.archive()?.record.through.rawValue ?? 0
        )
        #expect(size >= least, "\(when)")
        #expect(through <= size, "\(when): \(through) events are recorded")
    }

    /// Somebody looks into it, and removes what is not this ledger's.
    func removeWhatIsWrong(_ size: UInt64) {
        let wanted = whole.withLock { $0[size] ?? [:] }
        for (name, bytes) in wanted
        where name != ArchiveNames.checkpoint && !isSame(objects.contents[name] ?? bytes, bytes) {
            objects.contents[name] = nil
        }
    }

    /// What is really there, without a script.
    private func honest<Value>(
        _ body: (ScriptedObjects) async throws -> Value
    ) async rethrows -> Value {
        let copy = ScriptedObjects()
        copy.contents = objects.contents
        return try await body(copy)
    }
}

/// Time that stands still until it is told otherwise.
private final class SteppedTime: ReplicaClock {
    private let time = Mutex(MonotonicInstant(nanoseconds: 0))

    var now: MonotonicInstant { time.withLock { $0 } }
    var moment: Moment { Moment(now: now, wall: .unsampled) }

    func advance(by length: Nanoseconds) { time.withLock { $0 = $0 + length } }
    func sleep(for length: Nanoseconds) async throws { advance(by: length) }
    func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
}
