import LedgerStore
import Synchronization
import Testing

@Suite("Fresh reads")
struct FreshReadsTests {
    private struct Cancelled: Error {}

    /// Reads that are let go one by one; nobody spins, for whoever does keeps others from running.
    private final class Reads: Sendable {
        private let count = Atomic<Int>(0)
        let begun: AsyncStream<Int>
        private let begin: AsyncStream<Int>.Continuation
        private let released: AsyncStream<Void>
        private let letGo: AsyncStream<Void>.Continuation

        init() {
            (begun, begin) = AsyncStream.makeStream(of: Int.self)
            (released, letGo) = AsyncStream.makeStream(of: Void.self)
        }

        func release(_ times: Int = 1) {
            for _ in 0..<times { letGo.yield() }
        }

        func read() async -> Result<Int, Cancelled> {
            let number = count.add(1, ordering: .relaxed).newValue
            begin.yield(number)
            for await _ in released { break }
            return .success(number)
        }
    }

    @Test("who asks while a read is under way gets a later one")
    func freshness() async throws {
        let reads = Reads()
        let fresh = FreshReads<Int, Cancelled>(interval: .zero, cancelled: Cancelled()) {
            await reads.read()
        }
        var begun = reads.begun.makeAsyncIterator()
        let first = Task { try await fresh.value() }
        let number = await begun.next()
        #expect(number == 1)
        let later = (0..<50).map { _ in Task { try await fresh.value() } }
        reads.release(51)
        #expect(try await first.value == 1)
        for task in later { #expect(try await task.value > 1) }
    }

    @Test("who is cancelled leaves at once, and the others get their answer")
    func cancellation() async throws {
        let reads = Reads()
        let fresh = FreshReads<Int, Cancelled>(interval: .zero, cancelled: Cancelled()) {
            await reads.read()
        }
        var begun = reads.begun.makeAsyncIterator()
        let leaving = Task { try await fresh.value() }
        let number = await begun.next()
        #expect(number == 1)
        let staying = Task { try await fresh.value() }
        leaving.cancel()
        await #expect(throws: Cancelled.self) { try await leaving.value }
        reads.release(2)
        #expect(try await staying.value >= 1)
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
