import Synchronization

/// Holds the token that etcd's RBAC asks for, and gets a new one when it is refused.
///
/// However many requests wait for a token, one login is under way. Checking a password costs
/// etcd tens of milliseconds by design.
final class EtcdLogin: Sendable {
    /// The token; nil where etcd says that its RBAC is off.
    typealias Outcome = Result<String?, EtcdError>

    private struct State {
        /// The last login's token, nil where there is none or it was refused.
        var known: String??
        var isUnderWay = false
        var waiting: [UInt64: CheckedContinuation<Outcome, Never>] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let state = Mutex(State())
    private let authenticate: @Sendable () async -> Outcome

    /// - Parameter authenticate: Logs in once, within a time of its own.
    init(authenticate: @escaping @Sendable () async -> Outcome) {
        self.authenticate = authenticate
    }

    /// The token to send, after a login where there is none yet.
    ///
    /// - Throws: An error of class `rejected` where etcd refuses the user, else `notSent`: what
    ///   needed the token was not sent.
    func token(before deadline: ContinuousClock.Instant?) async throws(EtcdError) -> String? {
        if let known = state.withLock({ $0.known }) { return known }
        let outcome: Outcome
        if let deadline {
            outcome = await withTaskGroup(of: Outcome.self) { group in
                group.addTask { await self.login() }
                group.addTask {
                    try? await Task.sleep(until: deadline, clock: .continuous)
                    return .failure(
                        RequestExecutor.notSent(.timeout, "the login took too long"))
                }
                let first = await group.next()
                group.cancelAll()
                return first ?? .failure(RequestExecutor.notSent(.cancelled, "no login"))
            }
        } else {
            outcome = await login()
        }
        do throws(EtcdError) {
            return try outcome.get()
        } catch {
            var error = error
            if error.failureClass != .rejected { error.failureClass = .notSent }
            throw error
        }
    }

    /// etcd refused this token; the next request logs in again. A newer token stays.
    func refuse(_ token: String?) {
        state.withLock { state in
            if let known = state.known, known == token { state.known = nil }
        }
    }

    private func login() async -> Outcome {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enqueue(continuation, as: id)
                // A cancellation before the line above found nobody to wake.
                if Task.isCancelled { wakeCancelled(id) }
            }
        } onCancel: {
            wakeCancelled(id)
        }
    }

    private func enqueue(_ continuation: CheckedContinuation<Outcome, Never>, as id: UInt64) {
        enum Action {
            case answer(String?)
            case start, wait
        }
        let action = state.withLock { state -> Action in
            if let known = state.known { return .answer(known) }
            state.waiting[id] = continuation
            if state.isUnderWay { return .wait }
            state.isUnderWay = true
            return .start
        }
        switch action {
        case .answer(let token): continuation.resume(returning: .success(token))
        case .wait: break
        case .start:
            // Unstructured, for it serves all that wait: the end of the first one's time must
            // not end it for the others.
            Task { self.finish(await self.authenticate()) }
        }
    }

    private func finish(_ outcome: Outcome) {
        let waiting = state.withLock { state in
            state.isUnderWay = false
            if case .success(let token) = outcome { state.known = .some(token) }
            return exchange(&state.waiting, with: [:])
        }
        for continuation in waiting.values { continuation.resume(returning: outcome) }
    }

    private func wakeCancelled(_ id: UInt64) {
        let continuation = state.withLock { $0.waiting.removeValue(forKey: id) }
        continuation?.resume(
            returning: .failure(RequestExecutor.notSent(.cancelled, "the request was cancelled")))
    }
}
