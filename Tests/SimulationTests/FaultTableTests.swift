import LedgerCore
import Testing

/// Everything that the replicas ask of the store, once for each way in which it can go wrong.
@Suite("The fault table")
struct FaultTableTests {
    private static let horizon: Int64 = 16_000_000_000
    private static let places = 1...4

    @Test(
        "whatever becomes of one request, every promise is kept and the chain is whole",
        arguments: SimulatedStore.Operation.allCases, SimulatedStore.Fault.allCases)
    func fault(operation: SimulatedStore.Operation, fault: SimulatedStore.Fault) async throws {
        for place in Self.places {
            var settings = World.Settings()
            settings.replicas = 2
            settings.forwards = true
            settings.fault = (fault, operation, place)
            let world = World(settings, chooser: ExhaustiveChooser(depth: 0))
            live(in: world)
            try world.run(until: Self.horizon)
            let happened = world.requests[operation, default: 0]
            #expect(happened >= place, "there is no request \(place) of this kind")
            let isInOrder = world.replicas.filter(\.isSealer).count == 1
            #expect(isInOrder, "place \(place): \(world.replicas.map(\.part))")
            try world.end()
            let broken = try await world.violations()
            #expect(broken.isEmpty, "place \(place): \(broken)")
            #expect(try await world.entries().count >= 20)
        }
    }

    /// The sealer crashes, and another takes over; one hands the hint over, or gives it back where there is nobody else, and
    /// comes again; there are duplicates.
    private func live(in world: World) {
        for replica in world.replicas { replica.start() }
        for number in 0..<40 {
            world.schedule(after: 100_000_000 + Int64(number) * 150_000_000) {
                guard let replica = world.anyRunning() else { return }
                world.submit(id: "event-\(number % 30)", payload: [], to: replica)
            }
        }
        for (at, number) in [(Int64(1), 0), (4, 1)] {
            let second: Int64 = 1_000_000_000
            world.schedule(after: at * second) { world.replicas[number].crash() }
            world.schedule(after: at * second + second / 2) { world.replicas[number].start() }
        }
        for second in stride(from: Int64(2), to: 9, by: 2) {
            world.schedule(after: second * 1_000_000_000 + 300_000_000) {
                let sealer = world.replicas.first { $0.isSealer }
                sealer?.stop()
                world.schedule(after: 1_000_000_000) {
                    if let sealer, !sealer.isRunning { sealer.start() }
                }
            }
        }
        world.schedule(after: 10_200_000_000) {
            for replica in world.replicas where !replica.isSealer { replica.crash() }
        }
        world.schedule(after: 10_300_000_000) {
            world.replicas.first { $0.isSealer }?.stop()
        }
        world.schedule(after: 11_300_000_000) {
            for replica in world.replicas where !replica.isRunning { replica.start() }
        }
    }
}
