import Synchronization

/// A number of permits that tasks wait for in turn; it bounds what is under way.
package final class Gate: Sendable {
    private struct Waiter {
        let id: UInt64
        let wanted: Int
        let continuation: CheckedContinuation<Int, Never>
    }

    private struct State {
        var permits: Int
        var nextID: UInt64 = 0
        var waiters: [Waiter] = []
    }

    private let state: Mutex<State>

    /// Creates a gate with a number of free permits.
    package init(permits: Int) {
        state = Mutex(State(permits: permits))
    }

    /// Takes 1...`limit` permits as soon as there is one; 0 where the task is cancelled.
    package func acquire(upTo limit: Int = 1) async -> Int {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let granted: Int? = state.withLock { state in
                    // The cancellation handler may have run before the waiter exists.
                    if Task.isCancelled { return 0 }
                    if state.permits > 0 {
                        let granted = min(state.permits, limit)
                        state.permits -= granted
                        return granted
                    }
                    state.waiters.append(
                        Waiter(id: id, wanted: limit, continuation: continuation))
                    return nil
                }
                if let granted { continuation.resume(returning: granted) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: 0)
        }
    }

    /// Gives permits back.
    package func release(_ count: Int = 1) {
        let resumptions: [(Waiter, Int)] = state.withLock { state in
            state.permits += count
            var resumptions: [(Waiter, Int)] = []
            while state.permits > 0, !state.waiters.isEmpty {
                let waiter = state.waiters.removeFirst()
                let granted = min(state.permits, waiter.wanted)
                state.permits -= granted
                resumptions.append((waiter, granted))
            }
            return resumptions
        }
        for (waiter, granted) in resumptions { waiter.continuation.resume(returning: granted) }
    }
}
