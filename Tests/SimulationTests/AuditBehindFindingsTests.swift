import LedgerCore
import LedgerTransparency
import Testing

/// A finding hides nothing of what lies behind it.
@Suite("The continuous audit, behind a finding")
struct AuditBehindFindingsTests {
    private static let interval = Nanoseconds.milliseconds(60_000)

    /// So many events in blocks of 100.
    private func world(_ count: UInt64) throws -> AuditWorld {
        var world = AuditWorld(interval: Self.interval)
        try world.writer.fill(to: count, blocks: [100])
        return world
    }

    /// Changes an event that is the last of its block of 100.
    private func alter(_ number: UInt64, in world: AuditWorld) {
        // Of its veps_timestamp: the payload is empty.
        world.change(world.keys.block(SequenceNumber(number - 99))) { $0[$0.count - 49] ^= 1 }
    }

    @Test("what is altered further on is found in the same pass, and told once", arguments: 0..<7)
    func farApart(way: Int) async throws {
        var world = try world(6_000)
        let expected: (FindingKind, SequenceNumber)
        switch way {
        case 0:
            alter(100, in: world)
            expected = (.linkBroken, 100)
        case 1:
            world.delete(world.keys.block(301))
            expected = (.blockMissing, 301)
        case 2:
            world.change(world.keys.tile(TileID(level: 0, index: 1))) { $0[32] ^= 1 }
            expected = (.tileMismatch, 258)
        case 3:
            world.delete(world.keys.tile(TileID(level: 0, index: 1)))
            expected = (.tileMismatch, 257)
        case 4:
            world.delete(world.keys.ids(0))
            expected = (.idsMismatch, 1)
        case 5:
            // Its last entry is cut short.
            world.change(world.keys.block(301)) { $0.removeLast(3) }
            expected = (.entryMalformed, 400)
        default:
            let key = Array(world.keys.allBlocks.key) + Array("00000000000000000100x".utf8)
            world.writer.store.put(key, [1])
            expected = (.entryMalformed, 1)
        }
        alter(5_000, in: world)
        try await world.run(until: { $0.passesEnded == 1 })
        #expect(world.report.pass == 1)
        #expect(world.found.first?.kind == expected.0)
        #expect(world.found.first?.sequenceNumber == expected.1)
        #expect(world.found.last?.kind == .linkBroken)
        #expect(world.found.last?.sequenceNumber == 5_000)
        #expect(world.found.count == 2)
        #expect(world.report.verified <= expected.1.previous)
        #expect(!world.lastPassIsClean)
        try await world.run(until: { $0.passesEnded == 3 })
        #expect(world.found.count == 2 && world.report.found == 2)
    }

    @Test("what is sealed behind a finding is verified", arguments: [300, 2_000])
    func sealedLater(altered: UInt64) async throws {
        var world = try world(2_000)
        alter(altered, in: world)
        try await world.run(until: { $0.passesEnded == 1 })
        #expect(world.found.map(\.sequenceNumber) == [SequenceNumber(altered)])
        // Altered before anybody looks, so that it is found by following.
        try world.writer.fill(to: 4_000, blocks: [100])
        alter(3_000, in: world)
        try await world.run(until: { $0.report.found == 2 || $0.report.pass > 1 })
        #expect(world.report.pass == 1)
        #expect(world.found.last?.sequenceNumber == 3_000)
        try world.writer.fill(to: 5_000, blocks: [100])
        alter(4_500, in: world)
        try await world.run(until: { $0.report.found == 3 || $0.report.pass > 1 })
        #expect(world.report.pass == 1)
        #expect(world.found.last?.sequenceNumber == 4_500)
    }

    @Test(
        "a checkpoint and a block beyond the head hide nothing either, and are told once in a pass")
    func wholeStatements() async throws {
        let signer = try NoteSigner(name: "o", privateKey: Array(repeating: 1, count: 32))
        var world = AuditWorld(
            interval: Self.interval,
            trust: CheckpointTrust(
                origin: "o", verifiers: [signer.verifier]))
        try world.writer.fill(to: 2_000, blocks: [100])
        world.writer.store.put(
            world.keys.checkpoint, try signer.note(size: 5_000, root: .sha256([1])).encoded())
        world.writer.store.put(world.keys.block(9_000), [1])
        alter(1_100, in: world)
        try await world.run(until: { $0.passesEnded == 1 })
        try world.writer.fill(to: 2_300, blocks: [100])
        try await world.run(for: .milliseconds(5_000))
        // Up to the end of a tile.
        try world.writer.fill(to: 2_304, blocks: [4])
        world.change(world.keys.block(2_301)) { $0[$0.count - 49] ^= 1 }
        try world.writer.fill(to: 2_600, blocks: [100])
        try await world.run(for: .milliseconds(5_000))
        #expect(world.report.pass == 1)
        #expect(
            world.found.map(\.kind)
                == [.linkBroken, .checkpointMismatch, .beyondHead, .linkBroken])
        #expect(world.found.map(\.sequenceNumber) == [1_100, 2_001, 9_000, 2_304])
    }

    @Test("a head that goes back after a pass with findings is found")
    func headWentBack() async throws {
        var world = try world(1_000)
        alter(100, in: world)
        let older = world.writer.store.snapshot
        try world.writer.fill(to: 1_200, blocks: [100])
        try await world.run(until: { $0.passesEnded == 1 })
        world.writer.store.snapshot = older
        try await world.run(until: { $0.report.found == 2 })
        #expect(world.found.last?.kind == .headMismatch)
        #expect(world.found.last?.sequenceNumber == 1_001)
        try await world.run(until: { $0.passesEnded == 2 })
    }

    @Test("many findings are counted, and those with the lowest numbers are kept")
    func many() async throws {
        var world = try world(10_000)
        for number in stride(from: UInt64(1_000), through: 9_900, by: 100) {
            alter(number, in: world)
        }
        try await world.run(until: { $0.passesEnded == 1 })
        // One in each tile from the fourth to the last but one, and in the last.
        let count = world.report.found
        #expect((35...40).contains(count))
        #expect(world.found.count == count)
        #expect(world.report.findings.count == 16)
        #expect(world.report.firstFinding?.sequenceNumber == 1_000)
        let highest = try #require(world.report.findings.map(\.sequenceNumber).max())
        #expect(highest < 6_000)
        alter(200, in: world)
        try await world.run(until: { $0.passesEnded == 3 })
        #expect(world.report.found == count + 1)
        #expect(world.report.findings.count == 16)
        #expect(world.report.firstFinding?.sequenceNumber == 200)
        #expect(!world.report.findings.contains { $0.sequenceNumber == highest })
        let kept = world.news.count { if case .found(_, true) = $0 { true } else { false } }
        #expect(kept == 17)
        #expect(
            world.news.filter { if case .foundMore = $0 { true } else { false } }
                == [.foundMore(count)])
    }

    @Test("old events are looked at again in bounded time although sealing is faster")
    func fastSealing() async throws {
        let interval = Nanoseconds.milliseconds(10_000)
        var world = AuditWorld(eventsPerSecond: 100, interval: interval)
        try world.writer.fill(to: 1_000, blocks: [100])
        var next = world.now
        world.onAction = { world, _ in
            // 200 events a second.
            while next <= world.now {
                let head = world.writer.known.head.sequence.rawValue
                try world.writer.fill(to: head + 100, blocks: [100])
                next = next + .milliseconds(500)
            }
        }
        for pass in 1...2 {
            try await world.run(until: { $0.passesEnded == pass })
            let ended = world.now
            if pass == 2 { alter(100, in: world) }
            try await world.run(until: { $0.report.pass == UInt64(pass) + 1 })
            #expect(world.now >= ended + interval)
            #expect(world.now < ended + interval + .milliseconds(3_000))
            // Far behind what is sealed.
            #expect(world.report.verified.advanced(by: 1_000) < world.writer.known.head.sequence)
        }
        let limit = world.now + .milliseconds(3_000)
        try await world.run(until: { $0.report.found > 0 || $0.now > limit })
        #expect(world.found.map(\.sequenceNumber) == [100])
    }
}
