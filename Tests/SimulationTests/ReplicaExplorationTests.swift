import LedgerCore
import Testing

/// Small worlds of two replicas that forward, in which every combination of the first faults is tried: of the network,
/// of elections and of the store.
@Suite("Every interleaving of two replicas")
struct ReplicaExplorationTests {
    /// By then the first replica holds the hint and the second follows it.
    private static let settled: Int64 = 100_000_000
    private static let end: Int64 = 14_000_000_000

    @Test("two forwarded events of a stream: every combination of what four operations can do")
    func forwarded() async throws {
        let runs = try await explore(depth: 4) { world in
            let stream = StreamID(rawValue: 1)
            world.submit(id: "a", payload: [], to: 1, stream: stream)
            world.schedule(after: 2_000_000) {
                world.submit(id: "b", payload: [], to: 1, stream: stream)
            }
        }
        #expect(runs > 200)
    }

    @Test("the same event through both: every combination of what four operations can do")
    func sameEvent() async throws {
        let runs = try await explore(depth: 4) { world in
            world.submit(id: "a", payload: [], to: 1)
            world.submit(id: "a", payload: [], to: 0)
        }
        #expect(runs > 200)
    }

    @Test("the sealer crashes while it has a forward: every combination of three operations")
    func crash() async throws {
        for moment in stride(from: Int64(0), through: 3_000_000, by: 500_000) {
            for isSilent in [false, true] {
                _ = try await explore(depth: 3) { world in
                    world.submit(id: "a", payload: [], to: 1, stream: StreamID(rawValue: 1))
                    world.schedule(after: moment) { world.replicas[0].crash(silently: isSilent) }
                    world.schedule(after: 1_000_000) {
                        world.submit(id: "b", payload: [], to: 1, stream: StreamID(rawValue: 1))
                    }
                }
            }
        }
    }

    @Test("protocol.md 4: the sealer sleeps over forwards: every combination of three operations")
    func pause() async throws {
        for moment in stride(from: Int64(0), through: 3_000_000, by: 500_000) {
            for length in [Int64(30_000_000), 90_000_000, 4_000_000_000] {
                _ = try await explore(depth: 3) { world in
                    world.submit(id: "a", payload: [], to: 1)
                    world.schedule(after: moment) { world.replicas[0].pause(for: length) }
                    world.schedule(after: 10_000_000) {
                        world.submit(id: "b", payload: [], to: 1)
                    }
                }
            }
        }
    }

    @Test("the sealer leaves with forwards under way: every combination of three operations")
    func leaving() async throws {
        for moment in stride(from: Int64(0), through: 3_000_000, by: 500_000) {
            _ = try await explore(depth: 3) { world in
                world.submit(id: "a", payload: [], to: 1)
                world.schedule(after: moment) { world.replicas[0].stop() }
                world.schedule(after: 4_000_000) { world.submit(id: "b", payload: [], to: 1) }
            }
        }
    }

    private func explore(
        depth: Int, _ callers: @escaping (World) -> Void
    ) async throws -> Int {
        let chooser = ExhaustiveChooser(depth: depth)
        var runs = 0
        repeat {
            var settings = World.Settings()
            settings.replicas = 2
            settings.forwards = true
            settings.resubmit = false
            chooser.faults = false
            let world = World(settings, chooser: chooser)
            for replica in world.replicas {
                replica.start()
                try world.run(until: world.now + Self.settled / 2)
            }
            #expect(world.replicas[0].isSealer)
            #expect(world.replicas[1].followedAddress != nil)
            chooser.faults = true
            callers(world)
            try world.run(until: Self.end)
            let running = world.replicas.filter(\.isRunning)
            let isInOrder = running.filter(\.isSealer).count == 1
            #expect(isInOrder, "choices \(chooser): \(running.map(\.part))")
            try world.end()
            let broken = try await world.violations(loads: false)
            #expect(broken.isEmpty, "choices \(chooser): \(broken)")
            runs += 1
        } while chooser.advance()
        return runs
    }
}
