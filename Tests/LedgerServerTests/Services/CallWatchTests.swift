import GRPCCore
import LedgerAPI
import Synchronization
import TaskCoordination
import Testing

@testable import LedgerServer

@Suite("What ends a call", .timeLimit(.minutes(1)))
struct CallWatchTests {
    private let shutdown = ShutdownSignal()

    private var watch: CallWatch { CallWatch(shutdown: shutdown) }

    private var soon: ContinuousClock.Instant { .now.advanced(by: .milliseconds(20)) }

    /// Work that does not end by itself, and what it was told.
    private final class Work: Sendable {
        let begun = Settlement<Void>()
        private let cancelled = Atomic(false)

        var wasCancelled: Bool { cancelled.load(ordering: .relaxed) }

        func run() async throws {
            begun.settle(())
            do {
                try await Task.sleep(for: .seconds(600))
            } catch {
                cancelled.store(true, ordering: .relaxed)
                throw error
            }
        }
    }

    private func reason(
        until deadline: ContinuousClock.Instant? = nil, endsWithReplica: Bool = true,
        _ work: Work = Work()
    ) async -> ErrorReason? {
        do {
            try await watch.run(until: deadline, endsWithReplica: endsWithReplica) {
                try await work.run()
            }
            return nil
        } catch {
            return (error as? LedgerRPCError)?.reason
        }
    }

    @Test("a stopping replica ends it, and says so, but not what ends soon anyway")
    func stopping() async {
        let work = Work()
        async let ending = reason(work)
        await work.begun.value
        shutdown.raise()
        #expect(await ending == .stopping)
        #expect(work.wasCancelled)
        // From now on as well.
        #expect(await reason() == .stopping)
        #expect(await reason(until: soon, endsWithReplica: false) == .deadlineExceeded)
    }

    @Test("the caller's deadline ends it, and is not taken for a stop")
    func deadline() async {
        let work = Work()
        #expect(await reason(until: soon, work) == .deadlineExceeded)
        #expect(work.wasCancelled)
        #expect(await reason(until: .now) == .deadlineExceeded)
        let error = CallEnding.deadline.error
        #expect(error.code == .deadlineExceeded)
    }

    @Test("a caller that cancels ends it")
    func cancelled() async {
        await withServerContextRPCCancellationHandle { call in
            let work = Work()
            async let ending = reason(work)
            await work.begun.value
            call.cancel()
            #expect(await ending == .cancelled)
            #expect(work.wasCancelled)
            // A call that was cancelled before its work began.
            #expect(await reason() == .cancelled)
        }
    }

    @Test("the library's own alarm at the deadline is no cancellation")
    func libraryAlarm() async {
        await withServerContextRPCCancellationHandle { call in
            call.cancel()
            #expect(await reason(until: .now) == .deadlineExceeded)
        }
    }

    @Test("the port that closes ends nothing that may still be done")
    func quiescing() async throws {
        try await withServerContextRPCCancellationHandle { call in
            shutdown.raise()
            call.cancel()
            let value = try await watch.run(until: nil, endsWithReplica: false) {
                await Task.yield()
                return Task.isCancelled
            }
            #expect(!value)
        }
    }

    @Test("left alone it ends by itself, with its own value or error")
    func undisturbed() async throws {
        #expect(try await watch.run(until: nil, endsWithReplica: true) { 5 } == 5)
        let failure = await #expect(throws: RPCError.self) {
            try await watch.run(until: .now.advanced(by: .seconds(60)), endsWithReplica: true) {
                throw RPCError(code: .aborted, message: "own")
            }
        }
        #expect(failure?.code == .aborted)
    }

    @Test(
        "a deadline beyond what nanoseconds count is far away",
        arguments: ["2562048H", "99999999H", "99999999M", "99999999S"])
    func far(timeout: String) async throws {
        let deadline = try #require(CallWatch.deadline(["grpc-timeout": .string(timeout)]))
        #expect(deadline > .now.advanced(by: .seconds(86_400)))
        let isCancelled = try await watch.run(until: deadline, endsWithReplica: true) {
            try await Task.sleep(for: .milliseconds(1))
            return Task.isCancelled
        }
        #expect(!isCancelled)
    }
}
