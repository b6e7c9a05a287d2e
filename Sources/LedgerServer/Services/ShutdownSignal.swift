import GRPCCore
import Synchronization

/// Tells the open streams that the replica stops.
package final class ShutdownSignal: Sendable {
    private struct State {
        var isRaised = false
        var handlers: [UInt64: @Sendable () -> Void] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    package var isRaised: Bool { state.withLock { $0.isRaised } }

    /// Ends what `interrupting` runs, now and from now on.
    package func raise() {
        let handlers = state.withLock { state in
            state.isRaised = true
            defer { state.handlers = [:] }
            return state.handlers.values.map { $0 }
        }
        for handler in handlers { handler() }
    }

    /// Runs `body` in a child task, which is cancelled when the signal is raised or the caller cancels the call.
    ///
    /// - Returns: nil when the body ended by itself, else its error, or `STOPPING` when it was interrupted.
    package func interrupting(
        _ body: @escaping @Sendable () async throws -> Void
    ) async -> (any Error)? {
        await withTaskGroup(of: (any Error)?.self) { group in
            let (raised, raise) = AsyncStream.makeStream(of: Void.self)
            let key = register { raise.yield() }
            defer { deregister(key) }
            group.addTask {
                do {
                    try await body()
                    return nil
                } catch {
                    return error
                }
            }
            group.addTask {
                for await _ in raised { return LedgerRPCError.stopping() }
                return nil
            }
            let first = await withRPCCancellationHandler {
                await group.next() ?? nil
            } onCancelRPC: {
                raise.yield()
            }
            group.cancelAll()
            await group.waitForAll()
            return first
        }
    }

    private func register(_ handler: @escaping @Sendable () -> Void) -> UInt64 {
        let (key, isRaised) = state.withLock { state in
            state.next += 1
            if !state.isRaised { state.handlers[state.next] = handler }
            return (state.next, state.isRaised)
        }
        if isRaised { handler() }
        return key
    }

    private func deregister(_ key: UInt64) {
        state.withLock { $0.handlers[key] = nil }
    }
}
