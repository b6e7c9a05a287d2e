import LedgerStore
import Synchronization
import Testing

@testable import LedgerServer

@Suite("Shared reads")
struct SharedReadsTests {
    /// A read that goes on until it is let go, or cancelled.
    private final class SlowRead: Sendable {
        private let isReleased = Atomic<Bool>(false)
        let count = Atomic<Int>(0)
        let cancelled = Atomic<Int>(0)

        func release() { isReleased.store(true, ordering: .releasing) }

        func read() async -> Result<Int, LedgerRPCError> {
            let number = count.add(1, ordering: .relaxed).newValue
            while !isReleased.load(ordering: .acquiring) {
                if Task.isCancelled {
                    cancelled.add(1, ordering: .relaxed)
                    return .failure(.unavailable("cancelled"))
                }
                await Task.yield()
            }
            return .success(number)
        }
    }

    private func eventually(_ condition: () -> Bool) async {
        while !condition() { await Task.yield() }
    }

    @Test("many equal reads are one, and other keys have their own")
    func coalescing() async throws {
        let reads = SharedReads<Int, Int, LedgerRPCError>(cancelled: .readCancelled)
        let slow = SlowRead()
        let tasks = (0..<100).map { _ in
            Task { try await reads.value(for: 1) { await slow.read() } }
        }
        await eventually { slow.count.load(ordering: .relaxed) == 1 }
        let other = Task { try await reads.value(for: 2) { .success(7) } }
        #expect(try await other.value == 7)
        slow.release()
        for task in tasks { _ = try await task.value }
        // Who came after the first had ended read again; nobody who came before did.
        #expect(slow.count.load(ordering: .relaxed) < 100)
    }

    @Test("a cancelled reader leaves at once, and the others get what it had begun to read")
    func cancelledReader() async throws {
        let reads = SharedReads<Int, Int, LedgerRPCError>(cancelled: .readCancelled)
        let slow = SlowRead()
        let first = Task { try await reads.value(for: 1) { await slow.read() } }
        await eventually { slow.count.load(ordering: .relaxed) == 1 }
        let second = Task { try await reads.value(for: 1) { await slow.read() } }
        for _ in 0..<100 { await Task.yield() }
        first.cancel()
        await #expect(throws: LedgerRPCError.self) { try await first.value }
        slow.release()
        _ = try await second.value
        #expect(
            slow.cancelled.load(ordering: .relaxed) == 0 || slow.count.load(ordering: .relaxed) == 2
        )
    }

    @Test("a read that nobody waits for any more is cancelled")
    func abandoned() async throws {
        let reads = SharedReads<Int, Int, LedgerRPCError>(cancelled: .readCancelled)
        let slow = SlowRead()
        let tasks = (0..<5).map { _ in Task { try await reads.value(for: 1) { await slow.read() } }
        }
        await eventually { slow.count.load(ordering: .relaxed) == 1 }
        for task in tasks { task.cancel() }
        for task in tasks { _ = try? await task.value }
        await eventually {
            slow.cancelled.load(ordering: .relaxed) == slow.count.load(ordering: .relaxed)
        }
        slow.release()
        #expect(try await reads.value(for: 1) { await slow.read() } > 1)
    }
}
