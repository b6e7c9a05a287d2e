import LedgerCore
import Testing

/// Small worlds in which every combination of the first faults is tried.
@Suite("Every interleaving of small worlds")
struct ExhaustiveTests {
    /// By then every replica has read the ledger.
    private static let loaded: Int64 = 10_000_000
    /// By then nothing is open, however it began.
    private static let end: Int64 = 8_000_000_000

    @Test(
        "two submissions, one replica: every combination of what five operations of the store can do"
    )
    func oneReplica() async throws {
        let runs = try await explore(replicas: 1, depth: 5) { world in
            world.submit(id: "a", payload: [], to: 0)
            world.schedule(after: 1_000_000) { world.submit(id: "b", payload: [], to: 0) }
        }
        #expect(runs > 1_000)
    }

    @Test("the same event through two replicas: every combination of what four operations can do")
    func twoReplicas() async throws {
        let runs = try await explore(replicas: 2, depth: 4) { world in
            world.submit(id: "a", payload: [], to: 0)
            world.submit(id: "a", payload: [], to: 1)
            world.schedule(after: 2_000_000) { world.submit(id: "b", payload: [], to: 1) }
        }
        #expect(runs > 1_000)
    }

    @Test(
        "a replica that is replaced while its transaction is open: every combination of three operations"
    )
    func replacedReplica() async throws {
        let runs = try await explore(replicas: 2, depth: 3) { world in
            world.submit(id: "a", payload: [], to: 0)
            world.schedule(after: 200_000) { world.replicas[0].crash() }
            world.schedule(after: 400_000) { world.submit(id: "a", payload: [], to: 1) }
        }
        #expect(runs > 50)
    }

    private func explore(
        replicas: Int, depth: Int,
        _ callers: (World) -> Void
    ) async throws -> Int {
        let chooser = ExhaustiveChooser(depth: depth)
        var runs = 0
        repeat {
            var settings = World.Settings()
            settings.replicas = replicas
            settings.resubmit = false
            let world = World(settings, chooser: chooser)
            chooser.faults = false
            for replica in world.replicas { replica.start() }
            try world.run(until: Self.loaded)
            chooser.faults = true
            callers(world)
            try world.run(until: Self.end)
            try world.end()
            let broken = try await world.violations(loads: false)
            #expect(broken.isEmpty, "choices \(chooser): \(broken)")
            runs += 1
        } while chooser.advance()
        return runs
    }
}
