import Synchronization

/// Lets one run at a time, in order, with a bounded number of others waiting.
final class Turns: Sendable {
    private struct State {
        var isTaken = false
        var next: UInt64 = 0
        /// In the order in which they came.
        var waiting: [(key: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    }

    private let state = Mutex(State())
    private let maxWaiting: Int

    init(maxWaiting: Int) {
        self.maxWaiting = maxWaiting
    }

    /// How many wait for their turn.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Waits for the turn, which `giveBack` ends; false when too many wait already.
    ///
    /// Who is cancelled leaves the queue at once, so that nobody is refused for one who has gone.
    func take() async throws(CancellationError) -> Bool {
        let (mayWait, key) = state.withLock { state in
            state.next += 1
            return (!state.isTaken || state.waiting.count < maxWaiting, state.next)
        }
        guard mayWait else { return false }
        let isTaken = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    if Task.isCancelled { return false }
                    if !state.isTaken {
                        state.isTaken = true
                        return true
                    }
                    state.waiting.append((key, continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            leave(key)?.resume(returning: false)
        }
        guard isTaken else { throw CancellationError() }
        return true
    }

    func giveBack() {
        state.withLock { state -> CheckedContinuation<Bool, Never>? in
            if state.waiting.isEmpty {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst().continuation
        }?.resume(returning: true)
    }

    private func leave(_ key: UInt64) -> CheckedContinuation<Bool, Never>? {
        state.withLock { state in
            guard let place = state.waiting.firstIndex(where: { $0.key == key }) else { return nil }
            return state.waiting.remove(at: place).continuation
        }
    }
}
