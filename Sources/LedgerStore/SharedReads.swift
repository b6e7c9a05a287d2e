import Synchronization

/// Makes equal reads at the same time one.
///
/// The read belongs to all who wait for it: one that is cancelled leaves, and the read goes on for the others. When
/// nobody is left it is cancelled.
package final class SharedReads<Key: Hashable & Sendable, Value: Sendable, Failure: Error>: Sendable
{
    package typealias Outcome = Result<Value, Failure>
    private typealias Continuation = CheckedContinuation<Outcome, Never>

    private struct Flight {
        /// Which read it is: another one of the same key may have followed it.
        var number: UInt64
        var task: Task<Void, Never>?
        var waiters: [UInt64: Continuation] = [:]
    }

    private struct State {
        var flights: [Key: Flight] = [:]
        var nextNumber: UInt64 = 0
    }

    private let state = Mutex(State())
    private let cancelled: Failure

    /// - Parameter cancelled: what a reader is told whose task was cancelled.
    package init(cancelled: Failure) {
        self.cancelled = cancelled
    }

    /// What the read of a key brings: the one that is under way, or this one.
    package func value(
        for key: Key, _ read: @escaping @Sendable () async -> Outcome
    ) async throws(Failure) -> Value {
        let waiter = makeNumber()
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                join(key, as: waiter, continuation, read)
                // A cancellation before the line above found nobody to wake.
                if Task.isCancelled { leave(key, as: waiter) }
            }
        } onCancel: {
            leave(key, as: waiter)
        }
        return try outcome.get()
    }

    private func makeNumber() -> UInt64 {
        state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
    }

    private func join(
        _ key: Key, as waiter: UInt64, _ continuation: Continuation,
        _ read: @escaping @Sendable () async -> Outcome
    ) {
        let number = state.withLock { state -> UInt64? in
            state.flights[key]?.waiters[waiter] = continuation
            guard state.flights[key] == nil else { return nil }
            state.nextNumber += 1
            state.flights[key] = Flight(
                number: state.nextNumber, waiters: [waiter: continuation])
            return state.nextNumber
        }
        guard let number else { return }
        // Unstructured, for it serves all who wait, and must not end with the first of them.
        let task = Task { self.finish(key, number, await read()) }
        let isWanted = state.withLock { state in
            guard state.flights[key]?.number == number else { return false }
            state.flights[key]?.task = task
            return true
        }
        if !isWanted { task.cancel() }
    }

    private func leave(_ key: Key, as waiter: UInt64) {
        let (continuation, task) = state.withLock { state -> (Continuation?, Task<Void, Never>?) in
            guard let continuation = state.flights[key]?.waiters.removeValue(forKey: waiter) else {
                return (nil, nil)
            }
            guard let flight = state.flights[key], flight.waiters.isEmpty else {
                return (continuation, nil)
            }
            state.flights[key] = nil
            return (continuation, flight.task)
        }
        task?.cancel()
        continuation?.resume(returning: .failure(cancelled))
    }

    private func finish(_ key: Key, _ number: UInt64, _ outcome: Outcome) {
        let waiters = state.withLock { state -> [Continuation] in
            guard state.flights[key]?.number == number else { return [] }
            return state.flights.removeValue(forKey: key)?.waiters.values.map { $0 } ?? []
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
    }
}
