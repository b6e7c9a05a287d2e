import LedgerStore
import Synchronization
import Testing

@Suite("Fresh reads")
struct FreshReadsTests {
    private struct Cancelled: Error {}

    /// Reads that are let go one by one.
    private final class Reads: Sendable {
        private let released = Atomic<Int>(0)
        private let begun = Atomic<Int>(0)

        var count: Int { begun.load(ordering: .acquiring) }

        func release() { released.add(1, ordering: .releasing) }

        func read() async -> Result<Int, Cancelled> {
            let number = begun.add(1, ordering: .acquiringAndReleasing).newValue
            while released.load(ordering: .acquiring) < number { await Task.yield() }
            return .success(number)
        }
    }

    private func eventually(_ condition: () -> Bool) async {
        while !condition() { await Task.yield() }
    }

    @Test("who asks while a read is under way gets the next one, and all who wait share it")
    func freshness() async throws {
        let reads = Reads()
        let fresh = FreshReads<Int, Cancelled>(interval: .zero, cancelled: Cancelled()) {
            await reads.read()
        }
        let first = Task { try await fresh.value() }
        await eventually { reads.count == 1 }
        let later = (0..<50).map { _ in Task { try await fresh.value() } }
        for _ in 0..<200 { await Task.yield() }
        #expect(reads.count == 1)
        reads.release()
        #expect(try await first.value == 1)
        await eventually { reads.count == 2 }
        for _ in 0..<50 { reads.release() }
        for task in later { #expect(try await task.value > 1) }
        #expect(reads.count < 52)
    }

    @Test("who is cancelled leaves at once, and the others get their answer")
    func cancellation() async throws {
        let reads = Reads()
        let fresh = FreshReads<Int, Cancelled>(interval: .zero, cancelled: Cancelled()) {
            await reads.read()
        }
        let leaving = Task { try await fresh.value() }
        let staying = Task { try await fresh.value() }
        await eventually { reads.count == 1 }
        leaving.cancel()
        await #expect(throws: Cancelled.self) { try await leaving.value }
        for _ in 0..<3 { reads.release() }
        _ = try await staying.value
    }

    @Test("the next read begins only after the interval")
    func pace() async throws {
        let fresh = FreshReads<ContinuousClock.Instant, Cancelled>(
            interval: .milliseconds(30), cancelled: Cancelled()
        ) { .success(.now) }
        var begun: [ContinuousClock.Instant] = []
        for _ in 0..<4 { begun.append(try await fresh.value()) }
        for (one, next) in zip(begun, begun.dropFirst()) {
            #expect(one.duration(to: next) >= .milliseconds(30))
        }
    }
}
