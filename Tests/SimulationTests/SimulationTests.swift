import LedgerCore
import LedgerStore
import Testing

/// Random worlds: any operation of the store can fail before or after it applied, be delayed, duplicated or
/// damaged, and replicas crash and pause. A failure prints its seed; `LEDGER_SIMULATION_SEED` replays it.
@Suite("Simulated worlds")
struct SimulationTests {
    private static let horizon: Int64 = 8_000_000_000

    @Test("one replica keeps every promise, whatever the store does", arguments: Seeds.of(60))
    func oneReplica(seed: UInt64) async throws {
        try await check(seed: seed, replicas: 1, idPool: 400)
    }

    @Test("three replicas on one store keep every promise", arguments: Seeds.of(60))
    func threeReplicas(seed: UInt64) async throws {
        try await check(seed: seed, replicas: 3, idPool: 400)
    }

    @Test("the same few events submitted everywhere are sealed once", arguments: Seeds.of(30))
    func fewIDs(seed: UInt64) async throws {
        try await check(seed: seed, replicas: 3, idPool: 12)
    }

    @Test(
        "the format changes at any moment: whatever is built, in flight or in doubt is sealed once, and nobody is fenced",
        arguments: Seeds.of(30))
    func formatChange(seed: UInt64) async throws {
        try await check(seed: seed, replicas: 3, idPool: 400) { world in
            world.schedule(after: world.delay(500_000_000, Self.horizon / 2)) {
                let key = world.ledger.keys.format
                guard world.store.snapshot.keys[key] != nil else { return }
                world.store.put(key, LedgerFormat.two.value)
            }
        }
    }

    private func check(
        seed: UInt64, replicas: Int, idPool: Int64, plan: (World) -> Void = { _ in }
    ) async throws {
        var settings = World.Settings()
        settings.replicas = replicas
        let world = World(settings, chooser: SeededChooser(seed: seed))
        for replica in world.replicas { replica.start() }
        scheduleCallers(in: world, idPool: idPool)
        scheduleTrouble(in: world)
        plan(world)
        try world.run(until: Self.horizon)
        // Everything that was put off comes to an end in a store that works again.
        world.chooser.faults = false
        try world.run(until: Self.horizon * 2)
        let fences = world.replicas.compactMap(\.fence)
        try world.end()
        let broken = try await world.violations()
        #expect(broken.isEmpty, "seed \(seed): \(broken.prefix(5))")
        #expect(fences.isEmpty, "seed \(seed): \(fences)")
        // A world in which nothing is sealed proves nothing.
        #expect(try await world.entries().count >= min(10, Int(idPool)), "seed \(seed)")
    }

    private func scheduleCallers(in world: World, idPool: Int64) {
        for _ in 0..<300 {
            let at = world.delay(0, Self.horizon - 1_000_000_000)
            world.schedule(after: at) {
                let id = world.delay(1, idPool)
                // One caller in eight gives the id another content.
                let content = UInt8(world.delay(0, 7) == 0 ? 1 : 0)
                let replica = Int(world.delay(0, Int64(world.replicas.count - 1)))
                for _ in 0..<world.delay(1, 4) {
                    world.submit(id: "event-\(id)", payload: [content], to: replica)
                }
            }
        }
    }

    private func scheduleTrouble(in world: World) {
        for step in stride(from: Int64(200_000_000), to: Self.horizon, by: 200_000_000) {
            world.schedule(after: step) {
                let replica = world.replicas[Int(world.delay(0, Int64(world.replicas.count - 1)))]
                switch world.delay(0, 9) {
                case 0:
                    replica.crash()
                    replica.start()
                case 1: replica.pause(for: world.delay(1_000_000, 90_000_000))
                case 2...4: replica.follow()
                default: break
                }
            }
        }
    }
}
