import EtcdGateway
import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import Logging
import Synchronization
import Testing

@Suite("The continuous audit")
struct AuditTests {
    private static let interval = Nanoseconds.milliseconds(60_000)

    /// So many events in blocks of several sizes, and a whole pass over them.
    private func audited(
        _ count: UInt64, trust: CheckpointTrust = CheckpointTrust(origin: "o", verifiers: [])
    ) async throws -> AuditWorld {
        var world = AuditWorld(interval: Self.interval, trust: trust)
        try world.writer.fill(to: count, blocks: [1, 200, 37])
        try await world.run(until: { $0.passesEnded == 1 })
        #expect(world.report.verified == SequenceNumber(count))
        #expect(world.report.findings.isEmpty)
        return world
    }

    private func expectFinding(
        _ world: inout AuditWorld, _ kind: FindingKind, at number: SequenceNumber,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await world.run(until: { !$0.report.findings.isEmpty || $0.report.pass > 3 })
        #expect(world.report.firstFinding?.kind == kind, sourceLocation: sourceLocation)
        #expect(
            world.report.firstFinding?.sequenceNumber == number, sourceLocation: sourceLocation)
        #expect(world.report.verified < number, sourceLocation: sourceLocation)
    }

    // MARK: Passes

    @Test("a pass looks at every event once, and goes on with what is sealed then")
    func passAndFollow() async throws {
        var world = try await audited(5_000)
        #expect(world.eventsLookedAt == 5_000)
        for end: UInt64 in [5_001, 5_100, 8_200, 9_000] {
            try world.writer.fill(to: end, blocks: [50, 3])
            try await world.run(until: { $0.report.verified == SequenceNumber(end) })
            #expect(world.report.pass == 1)
        }
        #expect(world.eventsLookedAt == 9_000)
        #expect(world.passesEnded == 1)
        #expect(world.news.count == 1)
    }

    @Test("the next pass begins when the interval is over, and not before", arguments: [0, 40])
    func interval(sealing: UInt64) async throws {
        var world = try await audited(600)
        let end = world.now + Self.interval
        try world.writer.fill(to: 600 + sealing, blocks: [5])
        try await world.run(until: { $0.report.pass == 2 })
        #expect(world.now >= end && world.now < end + .milliseconds(2_000))
        try await world.run(until: { $0.passesEnded == 2 })
        #expect(world.eventsLookedAt == 1_200 + 2 * sealing)
    }

    @Test("no second has more events than the rate allows, but for a stretch and a block")
    func rate() async throws {
        var world = AuditWorld(eventsPerSecond: 500)
        try world.writer.fill(to: 3_000, blocks: [1, 64, 200, 7])
        try await world.run(until: { $0.passesEnded == 1 })
        #expect(world.now.nanoseconds >= 5_500_000_000)
        #expect(world.now.nanoseconds <= 7_000_000_000)
        expectRate(world, 500, block: 200)
    }

    @Test(
        "where reading takes longer than usual the rate falls in proportion, to a quarter at the least",
        arguments: [(block: 9, seconds: 33), (20, 65), (35, 115), (400, 238)])
    func givingWay(block: Int64, seconds: Int64) async throws {
        for blocksOfPage in [1, 5] {
            var world = AuditWorld(eventsPerSecond: 500)
            try world.writer.fill(to: 15_000, blocks: [50])
            // All the time of a page passes with its first block.
            let page = Nanoseconds.milliseconds(block * Int64(blocksOfPage))
            world.readTakes = { $0.isMultiple(of: blocksOfPage) ? page : .zero }
            try await world.run(until: { $0.passesEnded == 1 })
            #expect(abs(world.now.nanoseconds / 1_000_000_000 - seconds) <= seconds / 5)
            expectRate(world, 500, block: 50)
        }
    }

    @Test("after a read that hung for minutes it goes on soon")
    func hungRead() async throws {
        var world = AuditWorld(eventsPerSecond: 500)
        try world.writer.fill(to: 3_000, blocks: [50])
        world.readTakes = { $0 == 3 ? .milliseconds(600_000) : .zero }
        try await world.run(until: { $0.passesEnded == 1 })
        let seconds = world.now.nanoseconds / 1_000_000_000
        #expect(seconds >= 605 && seconds <= 611)
        expectRate(world, 500, block: 50)
    }

    @Test("blocks of few events are verified in stretches, not one by one")
    func stretches() async throws {
        var world = AuditWorld(eventsPerSecond: 10_000)
        try world.writer.fill(to: 10_000, blocks: [1, 3])
        try await world.run(until: { $0.passesEnded == 1 })
        #expect(world.now.nanoseconds >= 950_000_000)
        #expect(world.waits.count > 30 && world.waits.count <= 50)
        expectRate(world, 10_000, block: 3)
    }

    /// No second has more events, but for those of a stretch and the rest of a block.
    private func expectRate(_ world: AuditWorld, _ rate: UInt64, block: UInt64) {
        var first = 0
        var events: UInt64 = 0
        for batch in world.batches {
            events += batch.events
            while world.batches[first].at + .milliseconds(1_000) <= batch.at {
                events -= world.batches[first].events
                first += 1
            }
            #expect(events <= rate + rate / 40 + block)
        }
    }

    @Test("a pass ends although events are sealed faster than it verifies")
    func overload() async throws {
        var world = AuditWorld(eventsPerSecond: 100)
        try world.writer.fill(to: 1_000, blocks: [50])
        world.onAction = { world, action in
            guard case .wait = action else { return }
            let head = world.writer.known.head.sequence.rawValue
            try world.writer.fill(to: head + 200, blocks: [200])
        }
        try await world.run(until: { $0.passesEnded == 1 })
        #expect(world.report.verified == 1_000)
        try await world.run(until: { $0.report.pass == 2 || $0.report.verified > 3_000 })
        #expect(world.report.findings.isEmpty)
    }

    @Test("an empty ledger is waited for")
    func empty() async throws {
        var world = AuditWorld()
        try await world.run(for: .milliseconds(10_000))
        #expect(world.report.pass == 0 && world.report.findings.isEmpty)
        try world.writer.seal(["a", "b"])
        try await world.run(until: { $0.report.verified == 2 })
    }

    // MARK: Findings

    @Test("what was changed since is found by the next pass, at the first number that is wrong")
    func changedBetweenPasses() async throws {
        var world = try await audited(5_000)
        let first = try #require(
            world.writer.known.index.blockStart(containing: SequenceNumber(2_000)))
        let key = world.keys.block(first)
        // Of the last entry veps_timestamp: the payload is empty.
        world.change(key) { $0[$0.count - 49] ^= 1 }
        let last = try #require(world.writer.known.index.blockStart(after: first)).previous
        try await expectFinding(&world, .linkBroken, at: last)
        #expect(world.report.verified == last.previous)
        #expect(world.report.pass == 2)
    }

    @Test("a changed tile, segment and head, a missing block and one beyond the head are found")
    func everyRecord() async throws {
        let ledger = try await audited(5_000)
        let segment = ledger.keys.ids(0)
        var world = ledger
        func again(_ change: (inout AuditWorld) throws -> Void) async throws {
            world = try await audited(5_000)
            try change(&world)
        }
        try await again { $0.change($0.keys.tile(TileID(level: 0, index: 3))) { $0[32 * 10] ^= 1 } }
        try await expectFinding(&world, .tileMismatch, at: 779)
        try await again { $0.change(segment) { $0[8 * 2_000] ^= 1 } }
        try await expectFinding(&world, .idsMismatch, at: 2_001)
        try await again { $0.delete(segment) }
        try await expectFinding(&world, .idsMismatch, at: 1)
        try await again { world in
            let start = try #require(
                world.writer.known.index.blockStart(containing: 3_000))
            world.delete(world.keys.block(start))
        }
        #expect(world.writer.known.index.blockStart(containing: 3_000) != nil)
        try await expectFinding(
            &world, .blockMissing,
            at: try #require(world.writer.known.index.blockStart(containing: 3_000)))
        try await again { $0.writer.store.put($0.keys.block(9_000), [1]) }
        try await expectFinding(&world, .beyondHead, at: 9_000)
        try await again { $0.writer.store.put($0.keys.tile(TileID(level: 0, index: 0)), []) }
        try await expectFinding(&world, .tileMismatch, at: 1)
    }

    @Test("a finding stays although what is stored was put right, is told once, and passes go on")
    func findingsStay() async throws {
        var world = try await audited(1_000)
        let key = world.keys.tile(TileID(level: 0, index: 1))
        world.change(key) { $0[0] ^= 1 }
        try await expectFinding(&world, .tileMismatch, at: 257)
        try await world.run(until: { $0.report.pass == 4 })
        #expect(world.found.count == 1)
        world.change(key) { $0[0] ^= 1 }
        let ended = world.passesEnded
        try await world.run(until: { $0.passesEnded == ended + 2 })
        #expect(world.report.findings.count == 1)
        #expect(world.report.verified == 256)
        // Another one is told too.
        world.change(world.keys.tile(TileID(level: 0, index: 0))) { $0[64] ^= 1 }
        try await world.run(until: { $0.found.count == 2 })
        #expect(world.report.firstFinding?.sequenceNumber == 3)
        #expect(world.report.verified == 2)
    }

    @Test("a head that went back, or is none, is found with the next look, in the midst of a pass")
    func headWentBack() async throws {
        var world = AuditWorld(eventsPerSecond: 10)
        try world.writer.fill(to: 500, blocks: [50])
        let older = world.writer.store.snapshot
        try world.writer.fill(to: 600, blocks: [50])
        world.known = world.writer.known.head
        try await world.run(until: { $0.report.position >= 50 })
        world.writer.store.snapshot = older
        try await world.run(for: .milliseconds(5_000))
        #expect(world.report.firstFinding?.kind == .headMismatch)
        #expect(world.report.firstFinding?.sequenceNumber == 501)

        world = try await audited(600)
        world.change(world.keys.head) { $0.removeLast() }
        try await world.run(for: .milliseconds(5_000))
        #expect(world.report.firstFinding?.kind == .headMismatch)
        #expect(world.report.firstFinding?.sequenceNumber == 600)
    }

    @Test("a ledger that was written anew is found by what the audit itself has verified")
    func rewritten() async throws {
        var world = try await audited(600)
        var other = LedgerWriter()
        for first in stride(from: 1, to: 700, by: 50) {
            try other.seal((first..<first + 50).map { "other-\($0)" })
        }
        world.writer.store.snapshot = other.store.snapshot
        // The other one is whole by itself, and longer.
        try await world.run(until: { !$0.report.findings.isEmpty })
        #expect(world.report.firstFinding?.sequenceNumber ?? .zero <= 600)
        try await world.run(until: { $0.report.pass == 3 })
        #expect(world.found.contains { $0.kind == .headMismatch && $0.sequenceNumber == 600 })
    }

    @Test("a checkpoint that nobody trusted has signed is found at once, and the pass goes on")
    func refusedCheckpoint() async throws {
        let signer = try NoteSigner(name: "o", privateKey: Array(repeating: 1, count: 32))
        let other = try NoteSigner(name: "o", privateKey: Array(repeating: 2, count: 32))
        var world = AuditWorld(
            eventsPerSecond: 100,
            trust: CheckpointTrust(origin: "o", verifiers: [signer.verifier]))
        try world.writer.fill(to: 2_000, blocks: [50])
        let root = world.writer.known.head.tree.root
        world.writer.store.put(
            world.keys.checkpoint, try signer.note(size: 2_000, root: root).encoded())
        try await world.run(until: { $0.report.position >= 200 })
        #expect(world.report.findings.isEmpty)
        world.writer.store.put(
            world.keys.checkpoint, try other.note(size: 2_000, root: root).encoded())
        try await world.run(for: .milliseconds(3_000))
        #expect(world.report.firstFinding?.kind == .checkpointMismatch)
        #expect(world.report.firstFinding?.sequenceNumber == 1)
        try await world.run(until: { $0.passesEnded == 1 })
        #expect(world.found.count == 1)
    }

    @Test("a checkpoint of another tree is found, also one that is put while nothing is sealed")
    func checkpointOfAnotherTree() async throws {
        var world = try await audited(600)
        let signer = try NoteSigner(name: "o", privateKey: Array(repeating: 1, count: 32))
        world.writer.store.put(
            world.keys.checkpoint, try signer.note(size: 600, root: .sha256([1])).encoded())
        try await world.run(for: .milliseconds(5_000))
        #expect(world.report.firstFinding?.kind == .checkpointMismatch)
        world = try await audited(600)
        world.writer.store.put(
            world.keys.checkpoint, try signer.note(size: 300, root: .sha256([1])).encoded())
        // Of a smaller tree: the next pass comes there.
        try await world.run(for: .milliseconds(5_000))
        #expect(world.report.findings.isEmpty)
        try await expectFinding(&world, .checkpointMismatch, at: 1)
    }

    @Test("a key among the blocks that is no number is found")
    func strangeKey() async throws {
        var world = try await audited(600)
        let range = world.keys.allBlocks
        world.writer.store.put(Array(range.key) + Array("00000000000000000100x".utf8), [1])
        try await world.run(until: { !$0.report.findings.isEmpty })
        #expect(world.report.firstFinding?.kind == .entryMalformed)
    }

    // MARK: Failures

    @Test("reads that fail are no finding, and nothing is skipped", arguments: 0..<20)
    func failures(pattern: Int) async throws {
        var world = AuditWorld(eventsPerSecond: 1_000_000)
        try world.writer.fill(to: 5_000, blocks: [1, 200, 37])
        let gone = EtcdError(failureClass: .unknown, code: .connectionLost, message: "gone")
        var generator = SystemRandomNumberGenerator()
        let odds = pattern + 2
        world.onAction = { world, action in
            if case .wait = action { return }
            if Int.random(in: 0..<odds, using: &generator) == 0 {
                let isBefore = Bool.random(using: &generator)
                world.failing.fail(isBefore ? .before(gone) : .after(gone))
            }
        }
        try await world.run(until: { $0.passesEnded == 1 })
        #expect(world.report.findings.isEmpty)
        #expect(world.eventsLookedAt == 5_000)
        // And what is wrong is found under the same failures.
        world.change(world.keys.tile(TileID(level: 0, index: 7))) { $0[32] ^= 1 }
        try await world.run(until: { !$0.report.findings.isEmpty })
        #expect(world.report.firstFinding?.sequenceNumber == 1_794)
    }

    @Test("while etcd does not answer the pauses grow, up to half a minute")
    func backOff() async throws {
        var world = try await audited(300)
        let gone = EtcdError(failureClass: .notSent, code: .timeout, message: "gone")
        world.onAction = { world, action in
            if case .wait = action { return }
            world.failing.fail(.before(gone))
        }
        let (failures, waits) = (world.report.failures, world.waits.count)
        try await world.run(until: { $0.report.failures == failures + 12 })
        let seconds = world.waits.dropFirst(waits).map { $0.seconds }.filter { $0 <= 30 }
        #expect(Array(seconds.suffix(11)) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30])
        #expect(world.report.isFailing && world.report.findings.isEmpty)
        world.onAction = { _, _ in }
        try world.writer.fill(to: 400, blocks: [10])
        try await world.run(until: { $0.report.verified == 400 })
        #expect(!world.report.isFailing)
        #expect(world.news.suffix(2).contains(.recovered))
        #expect(world.news.count { $0 == .failing } == 1)
    }
}

@Suite("The audit's service")
struct AuditServiceTests {
    /// Sleeps take no time, and tell what time it would be.
    private final class QuickClock: ReplicaClock {
        private let nanoseconds = Atomic<Int64>(0)

        var now: MonotonicInstant {
            MonotonicInstant(nanoseconds: nanoseconds.load(ordering: .sequentiallyConsistent))
        }

        var moment: Moment { Moment(now: now, wall: .unsampled) }

        func sleep(for length: Nanoseconds) async throws {
            try Task.checkCancellation()
            nanoseconds.add(max(0, length.count), ordering: .sequentiallyConsistent)
            await Task.yield()
        }

        func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
    }

    private func withAudit(
        of writer: LedgerWriter, known: Head? = nil,
        _ body: (Audit, () -> [VerificationFinding]) async throws -> Void
    ) async throws {
        let found = Mutex<[VerificationFinding]>([])
        let audit = Audit(
            AuditSettings(eventsPerSecond: 2_000, interval: .milliseconds(60_000)),
            store: writer.ledger, trust: CheckpointTrust(origin: "o", verifiers: []),
            clock: QuickClock(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            known: { known }, onFinding: { finding in found.withLock { $0.append(finding) } })
        let running = Task { try await audit.run() }
        try await body(audit) { found.withLock { $0 } }
        running.cancel()
        try await running.value
    }

    private func eventually(_ condition: () -> Bool) async {
        while !condition() { await Task.yield() }
    }

    @Test(
        "it verifies pass after pass, with what is sealed meanwhile, until it is asked to stop")
    func passes() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 3_000, blocks: [100, 7])
        try await withAudit(of: writer) { audit, found in
            await eventually { audit.report.verified == 3_000 }
            try writer.fill(to: 5_000, blocks: [100, 7])
            await eventually { audit.report.verified == 5_000 && audit.report.pass >= 3 }
            #expect(found().isEmpty)
        }
    }

    @Test("a finding is told once")
    func finding() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 3_000, blocks: [100, 7])
        writer.store.put(writer.ledger.keys.ids(9), [1])
        writer.store.put(writer.ledger.keys.block(5_000), [1])
        try await withAudit(of: writer) { audit, found in
            await eventually { audit.report.pass >= 4 }
            #expect(found().map(\.kind) == [.beyondHead])
            #expect(found() == audit.report.findings)
        }
    }

    @Test("two alterations far apart are both told, each once")
    func twoFindings() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 6_000, blocks: [100])
        let store = writer.store
        for first: SequenceNumber in [1, 4_901] {
            let key = writer.ledger.keys.block(first)
            var value = try #require(store.snapshot.keys[key]?.value)
            value[value.count - 49] ^= 1
            store.put(key, value)
        }
        try await withAudit(of: writer) { audit, found in
            await eventually { audit.report.pass >= 4 }
            #expect(found().map(\.sequenceNumber) == [100, 5_000])
            #expect(found() == audit.report.findings && audit.report.found == 2)
        }
    }

    @Test("what the replica knows is part of what is verified")
    func knownHead() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 300, blocks: [100])
        let older = writer.store.snapshot
        try writer.fill(to: 400, blocks: [100])
        let known = writer.known.head
        writer.store.snapshot = older
        try await withAudit(of: writer, known: known) { audit, found in
            await eventually { !audit.report.findings.isEmpty }
            #expect(found().first?.kind == .headMismatch)
            #expect(found().first?.sequenceNumber == 301)
        }
    }
}
