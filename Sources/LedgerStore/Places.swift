import Synchronization

/// Lets few do something at a time. The others wait in order, a bounded number of them for a bounded time, and who is
/// cancelled leaves at once.
package final class Places: Sendable {
    /// Why nobody was let in.
    package enum Refusal: Error, Hashable, Sendable {
        /// As many wait as may.
        case tooManyWait
        /// The wait became too long.
        case tookTooLong
        case cancelled
    }

    /// Who goes first.
    package enum Priority: Hashable, Sendable {
        case ordinary
        /// Before all ordinary ones, and also into the places that are reserved.
        case urgent
        /// After all others, however long that takes, and never into the last place, where there is more than one. It
        /// counts as none of those that wait.
        case background
    }

    /// The numbers of one moment.
    package struct Statistics: Hashable, Sendable {
        package var taken = 0
        package var waiting = 0
        /// How many were refused since the start.
        package var refused: Int64 = 0
    }

    private typealias Continuation = CheckedContinuation<Result<Void, Refusal>, Never>

    private struct Waiter {
        var key: UInt64
        var continuation: Continuation
        var timer: Task<Void, Never>?
    }

    private struct State {
        var taken = 0
        var urgent: [Waiter] = []
        var ordinary: [Waiter] = []
        var background: [Waiter] = []
        var nextKey: UInt64 = 0
        var refused: Int64 = 0
    }

    private let state = Mutex(State())
    private let count: Int
    private let reserved: Int
    private let maxWaiting: Int
    private let longestWait: Duration

    /// - Parameters:
    ///   - count: how many are let in at a time, whoever they are.
    ///   - reserved: how many more, where they are urgent.
    ///   - maxWaiting: how many may wait.
    ///   - longestWait: for how long each may wait.
    package init(count: Int, reserved: Int = 0, maxWaiting: Int, longestWait: Duration) {
        precondition(count > 0, "nobody would ever be let in")
        self.count = count
        self.reserved = reserved
        self.maxWaiting = maxWaiting
        self.longestWait = longestWait
    }

    package var statistics: Statistics {
        state.withLock {
            Statistics(
                taken: $0.taken, waiting: $0.urgent.count + $0.ordinary.count, refused: $0.refused)
        }
    }

    /// Runs `body` in a place, which is given back when it ends, however it ends.
    package func withPlace<Value, Failure: Error>(
        _ priority: Priority = .ordinary, refused: (Refusal) -> Failure,
        _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        do throws(Refusal) {
            try await take(priority).get()
        } catch {
            throw refused(error)
        }
        defer { giveBack() }
        return try await body()
    }

    // MARK: Taking

    private func take(_ priority: Priority) async -> Result<Void, Refusal> {
        if Task.isCancelled { return .failure(.cancelled) }
        let key = state.withLock { state -> UInt64? in
            if hasPlace(for: priority, state) {
                state.taken += 1
                return nil
            }
            state.nextKey += 1
            return state.nextKey
        }
        guard let key else { return .success(()) }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enqueue(Waiter(key: key, continuation: continuation), priority)
                // A cancellation before the line above found nobody to wake.
                if Task.isCancelled { end(key, .cancelled) }
            }
        } onCancel: {
            end(key, .cancelled)
        }
    }

    private func hasPlace(for priority: Priority, _ state: borrowing State) -> Bool {
        switch priority {
        case .urgent: state.taken < count + reserved
        case .ordinary: state.taken < count && state.ordinary.isEmpty
        case .background: state.taken < backgroundCount && state.background.isEmpty
        }
    }

    /// How many may be taken where who has time takes one.
    private var backgroundCount: Int { max(1, count - 1) }

    private func enqueue(_ waiter: Waiter, _ priority: Priority) {
        let result = state.withLock { state -> Result<Void, Refusal>? in
            if hasPlace(for: priority, state) {
                state.taken += 1
                return .success(())
            }
            guard priority != .background else {
                state.background.append(waiter)
                return nil
            }
            guard state.urgent.count + state.ordinary.count < maxWaiting else {
                state.refused += 1
                return .failure(.tooManyWait)
            }
            var waiter = waiter
            // Unstructured, for it belongs to the wait and not to a task: it ends with the wait.
            waiter.timer = Task { [weak self, key = waiter.key, longestWait] in
                guard (try? await Task.sleep(for: longestWait)) != nil else { return }
                self?.end(key, .tookTooLong)
            }
            if priority == .urgent {
                state.urgent.append(waiter)
            } else {
                state.ordinary.append(waiter)
            }
            return nil
        }
        if let result { waiter.continuation.resume(returning: result) }
    }

    /// Ends a wait without a place.
    private func end(_ key: UInt64, _ refusal: Refusal) {
        let waiter = state.withLock { state -> Waiter? in
            let waiter: Waiter
            if let index = state.urgent.firstIndex(where: { $0.key == key }) {
                waiter = state.urgent.remove(at: index)
            } else if let index = state.ordinary.firstIndex(where: { $0.key == key }) {
                waiter = state.ordinary.remove(at: index)
            } else if let index = state.background.firstIndex(where: { $0.key == key }) {
                waiter = state.background.remove(at: index)
            } else {
                return nil
            }
            if refusal != .cancelled { state.refused += 1 }
            return waiter
        }
        waiter?.timer?.cancel()
        waiter?.continuation.resume(returning: .failure(refusal))
    }

    // MARK: Giving back

    private func giveBack() {
        let next = state.withLock { state -> Waiter? in
            state.taken -= 1
            let next: Waiter
            if !state.urgent.isEmpty, state.taken < count + reserved {
                next = state.urgent.removeFirst()
            } else if !state.ordinary.isEmpty, state.taken < count {
                next = state.ordinary.removeFirst()
            } else if !state.background.isEmpty, state.taken < backgroundCount {
                next = state.background.removeFirst()
            } else {
                return nil
            }
            state.taken += 1
            return next
        }
        next?.timer?.cancel()
        next?.continuation.resume(returning: .success(()))
    }
}
