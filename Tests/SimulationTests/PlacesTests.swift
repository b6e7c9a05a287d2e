import LedgerStore
import Synchronization
import Testing

@Suite("Places")
struct PlacesTests {
    private func places(
        _ count: Int, reserved: Int = 0, maxWaiting: Int = 100,
        longestWait: Duration = .seconds(600)
    ) -> Places {
        Places(
            count: count, reserved: reserved, maxWaiting: maxWaiting, longestWait: longestWait)
    }

    private func hold(
        _ places: Places, _ priority: Places.Priority = .ordinary, until gate: Barrier,
        _ entered: @escaping @Sendable () -> Void = {}
    ) -> Task<Void, any Error> {
        Task {
            try await places.withPlace(priority, refused: { $0 as any Error }) {
                entered()
                await gate.wait()
            }
        }
    }

    private func eventually(_ condition: () -> Bool) async {
        while !condition() { await Task.yield() }
    }

    @Test("no more are let in than there are places, and each gets one in the end")
    func bound() async throws {
        let places = places(3)
        let crowd = Crowd()
        let tasks = (0..<60).map { _ in
            Task {
                try await places.withPlace(refused: { $0 as any Error }) {
                    await crowd.visit()
                }
            }
        }
        for task in tasks { try await task.value }
        #expect(crowd.most.load(ordering: .relaxed) == 3)
        #expect(places.statistics.taken == 0)
        #expect(places.statistics.waiting == 0)
        #expect(places.statistics.refused == 0)
    }

    @Test("who is cancelled while waiting leaves at once, and who is cancelled inside gives back")
    func cancellation() async throws {
        let places = places(1)
        let gate = Barrier()
        let first = hold(places, until: gate)
        await eventually { places.statistics.taken == 1 }
        let second = hold(places, until: gate)
        let third = hold(places, until: gate)
        await eventually { places.statistics.waiting == 2 }
        second.cancel()
        await #expect(throws: Places.Refusal.cancelled) { try await second.value }
        #expect(places.statistics.waiting == 1)
        #expect(places.statistics.refused == 0, "who leaves was not refused")
        first.cancel()
        gate.open()
        _ = try? await first.value
        try await third.value
        #expect(places.statistics.taken == 0)
    }

    @Test("who has time comes after all others, leaves a place free, and is never refused")
    func background() async throws {
        let places = places(2, maxWaiting: 1, longestWait: .milliseconds(20))
        let (gate, later) = (Barrier(), Barrier())
        let background = hold(places, .background, until: gate)
        await eventually { places.statistics.taken == 1 }
        // The other place is not for those who have time.
        let order = Mutex<[String]>([])
        let second = hold(places, .background, until: later) {
            order.withLock { $0.append("background") }
        }
        let ordinary = hold(places, until: later) { order.withLock { $0.append("ordinary") } }
        await eventually { places.statistics.taken == 2 }
        try await Task.sleep(for: .milliseconds(40))
        #expect(order.withLock { $0 } == ["ordinary"])
        gate.open()
        try await background.value
        later.open()
        try await ordinary.value
        try await second.value
        #expect(order.withLock { $0 } == ["ordinary", "background"])
        #expect(places.statistics.refused == 0 && places.statistics.taken == 0)
    }

    @Test("where there is one place only, who has time takes it when nobody else wants it")
    func backgroundAlone() async throws {
        let places = places(1)
        let gate = Barrier()
        let held = hold(places, until: gate)
        await eventually { places.statistics.taken == 1 }
        let order = Mutex<[String]>([])
        let background = hold(places, .background, until: gate) {
            order.withLock { $0.append("background") }
        }
        let cancelled = hold(places, .background, until: gate)
        let ordinary = hold(places, until: gate) { order.withLock { $0.append("ordinary") } }
        await eventually { places.statistics.waiting == 1 }
        cancelled.cancel()
        await #expect(throws: Places.Refusal.cancelled) { try await cancelled.value }
        gate.open()
        try await held.value
        try await ordinary.value
        try await background.value
        #expect(order.withLock { $0 } == ["ordinary", "background"])
    }

    @Test("as many wait as may, and no longer than they may")
    func refusals() async throws {
        let places = places(1, maxWaiting: 1, longestWait: .milliseconds(20))
        let gate = Barrier()
        let first = hold(places, until: gate)
        await eventually { places.statistics.taken == 1 }
        let late = hold(places, until: gate)
        await #expect(throws: Places.Refusal.tookTooLong) { try await late.value }
        let patient = self.places(1, maxWaiting: 1)
        let other = hold(patient, until: gate)
        await eventually { patient.statistics.taken == 1 }
        let waiting = hold(patient, until: gate)
        await eventually { patient.statistics.waiting == 1 }
        await #expect(throws: Places.Refusal.tooManyWait) {
            try await hold(patient, until: gate).value
        }
        #expect(patient.statistics.refused == 1)
        gate.open()
        for task in [first, other, waiting] { try await task.value }
    }

    @Test("the urgent go first, and have a place that nobody else gets")
    func priorities() async throws {
        let places = places(1, reserved: 1)
        let gate = Barrier()
        let ordinary = hold(places, until: gate)
        await eventually { places.statistics.taken == 1 }
        let order = Mutex<[String]>([])
        let waiting = hold(places, until: gate) { order.withLock { $0.append("ordinary") } }
        await eventually { places.statistics.waiting == 1 }
        let urgent = hold(places, .urgent, until: gate)
        await eventually { places.statistics.taken == 2 }
        let second = hold(places, .urgent, until: gate) { order.withLock { $0.append("urgent") } }
        await eventually { places.statistics.waiting == 2 }
        gate.open()
        for task in [ordinary, waiting, urgent, second] { try await task.value }
        #expect(order.withLock { $0 }.first == "urgent")
    }
}

/// Counts who is inside at the same time.
private final class Crowd: Sendable {
    private let inside = Atomic<Int>(0)
    let most = Atomic<Int>(0)

    func visit() async {
        most.max(inside.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
        for _ in 0..<20 { await Task.yield() }
        inside.subtract(1, ordering: .relaxed)
    }
}

/// Holds up tasks until it is opened; it does not hear of cancellation.
final class Barrier: Sendable {
    private let isOpen = Atomic<Bool>(false)

    func open() { isOpen.store(true, ordering: .releasing) }

    func wait() async {
        while !isOpen.load(ordering: .acquiring) { await Task.yield() }
    }
}
