import LedgerCore
import LedgerStore
import Testing

/// Random worlds of several replicas, of which one seals and the others forward to it. Replicas crash, pause and come
/// and go, the network and the store fail in every way, clocks disagree. A failure prints its seed;
/// `LEDGER_SIMULATION_SEED` replays it.
@Suite("Simulated replicas")
struct ReplicationTests {
    private static let horizon: Int64 = 6_000_000_000
    private static let settling: Int64 = 8_000_000_000
    private static let steady: Int64 = 1_000_000_000

    @Test("replicas that forward keep every promise, whatever fails", arguments: Seeds.of(40))
    func everything(seed: UInt64) async throws {
        try await check(seed: seed, replicas: 3, idPool: 500, trouble: Trouble.allCases)
    }

    @Test("the same few events submitted everywhere are sealed once", arguments: Seeds.of(20))
    func fewIDs(seed: UInt64) async throws {
        try await check(seed: seed, replicas: 3, idPool: 15, trouble: Trouble.allCases)
    }

    @Test("replicas that come and go keep every promise", arguments: Seeds.of(20))
    func rollingUpdates(seed: UInt64) async throws {
        try await check(
            seed: seed, replicas: 4, idPool: 500, trouble: [.leaving, .leaving, .joining, .crash])
    }

    /// What keeps the replica that seals from sealing, for long.
    enum Hindrance: CaseIterable {
        case silentCrash, pause, cutFromStore, untrustedClock, unsampledClock
    }

    @Test(
        "a replica that cannot seal is replaced, and takes part again",
        arguments: Hindrance.allCases,
        Seeds.of(4))
    func replaced(hindrance: Hindrance, seed: UInt64) async throws {
        var settings = World.Settings()
        settings.replicas = 3
        settings.forwards = true
        let world = World(settings, chooser: SeededChooser(seed: seed))
        world.chooser.faults = false
        for replica in world.replicas { replica.start() }
        try world.run(until: Self.steady)
        let holder = world.replicas.first { $0.isSealer }
        let sealer = try #require(holder)
        switch hindrance {
        case .silentCrash: sealer.crash(silently: true)
        case .pause: sealer.pause(for: Self.settling + Self.steady)
        case .cutFromStore: sealer.isCutOff = true
        case .untrustedClock: sealer.life?.wall = .untrusted
        case .unsampledClock: sealer.life?.wall = .unsampled
        }
        world.scheduleCallers(
            from: world.now, until: world.now + Self.settling, unary: 100, streams: 2, idPool: 50)
        try world.run(until: Self.steady + Self.settling)
        #expect(!sealer.isSealer || sealer.life?.isPaused ?? true, "seed \(seed)")
        #expect(world.replicas.contains { $0 !== sealer && $0.isSealer }, "seed \(seed)")
        if !sealer.isRunning { sealer.start() }
        world.heal()
        try world.run(until: Self.steady + 2 * Self.settling)
        expectOrder(in: world, seed)
        try expectSteadySealing(in: world, seed)
        try world.end()
        let broken = try await world.violations()
        #expect(broken.isEmpty, "seed \(seed): \(broken.prefix(5))")
    }

    private func check(
        seed: UInt64, replicas: Int, idPool: Int64, trouble: [Trouble]
    ) async throws {
        let world = try Self.troubled(
            seed: seed, replicas: replicas, idPool: idPool, trouble: trouble)
        // Everything that was put off comes to an end in a world that works again.
        world.chooser.faults = false
        world.heal()
        try world.run(until: Self.horizon + Self.settling)
        expectOrder(in: world, seed)
        try expectSteadySealing(in: world, seed)
        let fences = world.replicas.compactMap(\.fence)
        try world.end()
        let broken = try await world.violations()
        #expect(broken.isEmpty, "seed \(seed): \(broken.prefix(5))")
        #expect(fences.isEmpty, "seed \(seed): \(fences)")
    }

    /// A world of replicas that forward, after its troubles.
    static func troubled(
        seed: UInt64, replicas: Int = 3, idPool: Int64 = 500,
        trouble: [Trouble] = Trouble.allCases
    ) throws -> World {
        var settings = World.Settings()
        settings.replicas = replicas
        settings.forwards = true
        settings.oddsAgainstFaults = 40
        settings.oddsAgainstElectionFaults = 12
        settings.oddsAgainstNetworkFaults = 100
        let world = World(settings, chooser: SeededChooser(seed: seed))
        for replica in world.replicas { replica.start() }
        world.scheduleCallers(
            until: horizon, unary: 250, streams: 8, idPool: idPool, cancels: true)
        world.scheduleTrouble(trouble, until: horizon, every: 150_000_000)
        try world.run(until: horizon)
        return world
    }

    /// One replica holds the hint and all others follow it.
    private func expectOrder(in world: World, _ seed: UInt64) {
        let running = world.replicas.filter(\.isRunning)
        let sealers = running.filter(\.isSealer)
        let parts = running.map(\.part)
        #expect(sealers.count == 1, "seed \(seed): \(parts)")
        guard let sealer = sealers.first else { return }
        for other in running where other !== sealer {
            #expect(
                other.followedAddress == sealer.hint?.address,
                "seed \(seed): \(other.number) of \(parts)")
        }
        let key = world.store.snapshot.keys[world.ledger.keys.sealer]
        #expect(key?.value == sealer.hint?.encodedJSON(), "seed \(seed)")
    }

    /// Everything that is submitted now is sealed within the contract, through one replica and without a lost race.
    private func expectSteadySealing(
        in world: World, _ seed: UInt64
    ) throws {
        let begin = world.history.submissions.count
        let lostRaces = world.replicas.map(\.lostRaces)
        let forwards = world.replicas.map(\.forwards).reduce(0, +)
        let start = world.now
        world.scheduleCallers(
            from: start, until: start + Self.steady, unary: 100, streams: 2, idPool: nil)
        try world.run(until: start + 2 * Self.steady)
        let outcomes = world.history.submissions[begin...].map(\.outcome)
        #expect(outcomes.count >= 100)
        for outcome in outcomes {
            guard case .sealed(_, let latency) = outcome else {
                Issue.record("seed \(seed): \(String(describing: outcome)) in a quiet world")
                return
            }
            #expect(latency <= world.settings.sealing.commitDeadline, "seed \(seed)")
        }
        #expect(world.replicas.map(\.lostRaces) == lostRaces, "seed \(seed)")
        #expect(world.replicas.map(\.forwards).reduce(0, +) > forwards, "seed \(seed)")
        let open = world.replicas.filter(\.isRunning).map(\.openEvents)
        #expect(open.allSatisfy { $0 == 0 }, "seed \(seed): \(open)")
    }
}
