import Synchronization

/// Makes the reads of what changes one for all that wait when it begins: who asks gets a read that began after the
/// question, and however many ask, the next begins only `interval` after the one before.
package final class FreshReads<Value: Sendable, Failure: Error>: Sendable {
    package typealias Outcome = Result<Value, Failure>
    private typealias Continuation = CheckedContinuation<Outcome, Never>

    private struct State {
        /// Who gets the next read.
        var waiting: [UInt64: Continuation] = [:]
        /// Who gets the read that is under way.
        var served: [UInt64: Continuation] = [:]
        var nextKey: UInt64 = 0
        var isRunning = false
    }

    private let state = Mutex(State())
    private let interval: Duration
    private let cancelled: Failure
    private let read: @Sendable () async -> Outcome

    /// - Parameters:
    ///   - interval: the least time between the beginnings of two reads.
    ///   - cancelled: what a reader is told whose task was cancelled; the read goes on.
    package init(
        interval: Duration, cancelled: Failure, _ read: @escaping @Sendable () async -> Outcome
    ) {
        self.interval = interval
        self.cancelled = cancelled
        self.read = read
    }

    /// What a read brings that began after this was called.
    package func value() async throws(Failure) -> Value {
        let key = state.withLock { state in
            state.nextKey += 1
            return state.nextKey
        }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                begin(key, continuation)
                // A cancellation before the line above found nobody to wake.
                if Task.isCancelled { leave(key) }
            }
        } onCancel: {
            leave(key)
        }
        return try outcome.get()
    }

    private func begin(_ key: UInt64, _ continuation: Continuation) {
        let starts = state.withLock { state in
            state.waiting[key] = continuation
            defer { state.isRunning = true }
            return !state.isRunning
        }
        // Unstructured, for it serves all who ask, and ends when nobody does.
        if starts { Task { await run() } }
    }

    private func leave(_ key: UInt64) {
        state.withLock { state in
            state.waiting.removeValue(forKey: key) ?? state.served.removeValue(forKey: key)
        }?.resume(returning: .failure(cancelled))
    }

    private func run() async {
        while beginRound() {
            let next = ContinuousClock.now + interval
            let outcome = await read()
            for continuation in endRound() { continuation.resume(returning: outcome) }
            try? await Task.sleep(until: next, clock: .continuous)
        }
    }

    /// - Returns: whether anybody waits for a read.
    private func beginRound() -> Bool {
        state.withLock { state in
            state.served = exchange(&state.waiting, with: [:])
            state.isRunning = !state.served.isEmpty
            return state.isRunning
        }
    }

    private func endRound() -> [Continuation] {
        state.withLock { state in
            Array(exchange(&state.served, with: [:]).values)
        }
    }
}
