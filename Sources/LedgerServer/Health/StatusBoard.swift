import Synchronization

/// Where the sealing side writes what it can do, and every health answer reads it.
package final class StatusBoard: Sendable {
    private struct State {
        var status: LedgerStatus
        var watchers: [UInt64: AsyncStream<LedgerStatus>.Continuation] = [:]
        var nextWatcher: UInt64 = 0
        var isFinished = false
    }

    private let state: Mutex<State>

    /// Makes a board that shows `initial`.
    package init(initial: LedgerStatus = .starting) {
        state = Mutex(State(status: initial))
    }

    /// What was written last.
    package var current: LedgerStatus {
        state.withLock { $0.status }
    }

    /// How many `updates()` are being read, for tests and bounds.
    package var watcherCount: Int {
        state.withLock { $0.watchers.count }
    }

    /// Replaces the description.
    package func update(_ status: LedgerStatus) {
        update { $0 = status }
    }

    /// Changes the description in place, so that two writers cannot undo each other's part.
    ///
    /// A change of the number alone wakes nobody: it happens with every batch.
    package func update(_ change: (inout LedgerStatus) -> Void) {
        // Yielding inside the lock keeps the order of two updates. It never blocks, and it never
        // calls a termination handler, which would take the lock again.
        state.withLock { state in
            let before = state.status
            change(&state.status)
            var comparable = before
            comparable.lastSequenceNumber = state.status.lastSequenceNumber
            guard comparable != state.status else { return }
            for watcher in state.watchers.values {
                watcher.yield(state.status)
            }
        }
    }

    /// The present description and then every change; a slow reader sees only the newest.
    ///
    /// The stream ends with `finish()`, or when its reader is cancelled.
    package func updates() -> AsyncStream<LedgerStatus> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: LedgerStatus.self, bufferingPolicy: .bufferingNewest(1))
        let registered: UInt64? = state.withLock { state in
            continuation.yield(state.status)
            guard !state.isFinished else { return nil }
            let number = state.nextWatcher
            state.nextWatcher += 1
            state.watchers[number] = continuation
            return number
        }
        guard let registered else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.remove(registered)
        }
        return stream
    }

    /// Ends every `updates()`, so that no open Watch holds up the server's graceful shutdown.
    package func finish() {
        let watchers = state.withLock { state in
            state.isFinished = true
            defer { state.watchers = [:] }
            return state.watchers.values.map { $0 }
        }
        // Outside the lock, for this calls the termination handlers.
        for watcher in watchers {
            watcher.finish()
        }
    }

    private func remove(_ watcher: UInt64) {
        _ = state.withLock { $0.watchers.removeValue(forKey: watcher) }
    }
}
