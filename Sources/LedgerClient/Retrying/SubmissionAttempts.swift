/// Decides, after each attempt to submit one event, what it settled and what comes next.
///
/// An event_id is sealed at most once, so the same event can be submitted again safely. Two rules
/// decide (design.md, "Outcomes"; protocol.md 3):
///
/// - Without an unknown attempt, a certain answer is final, or worth another attempt where the
///   service only lacked time or room.
/// - After an unknown attempt only *sealed*, *duplicate* and *conflicting* settle the event. Any
///   other answer, however certain, speaks of its own attempt: the unknown one may still be sealed.
///   *Duplicate* then means that an earlier attempt succeeded.
package struct SubmissionAttempts: Sendable {
    /// What to do after an attempt.
    package enum Action: Sendable {
        /// The event is sealed: the submission succeeded.
        case succeed(SealedEvent)
        /// The submission failed for good, or ran out of attempts.
        case fail(LedgerError)
        /// Submit the same event again, after this time.
        case retry(after: Duration)
    }

    private let policy: RetryPolicy

    /// How many attempts have ended.
    package private(set) var count = 0

    /// Whether the fate of an earlier attempt is open.
    package private(set) var hasUnknownAttempt: Bool

    /// - Parameters:
    ///   - policy: The limits.
    ///   - hasUnknownAttempt: Whether an attempt before these had an unknown outcome.
    package init(policy: RetryPolicy, hasUnknownAttempt: Bool = false) {
        self.policy = policy
        self.hasUnknownAttempt = hasUnknownAttempt
    }

    /// Takes in how an attempt ended.
    ///
    /// - Parameters:
    ///   - result: The sealed event, or what became of the attempt.
    ///   - elapsed: The time since the first attempt began.
    ///   - random: A random number, 0..<1, which varies the waiting time.
    package mutating func attemptEnded(
        _ result: Result<SealedEvent, LedgerError>, elapsed: Duration, random: Double
    ) -> Action {
        count += 1
        switch result {
        case .success(let event):
            return .succeed(event)
        case .failure(let error):
            return attemptFailed(error, elapsed: elapsed, random: random)
        }
    }

    private mutating func attemptFailed(
        _ error: LedgerError, elapsed: Duration, random: Double
    ) -> Action {
        switch error.kind {
        case .duplicate(let original) where hasUnknownAttempt:
            return .succeed(original)
        case .duplicate, .conflicting, .corrupt:
            return .fail(error)
        case .cancelled, .configuration:
            return .fail(final(error))
        default:
            break
        }
        if error.sealed != .no { hasUnknownAttempt = true }
        guard hasUnknownAttempt || error.kind.mayPass else { return .fail(error) }
        let delay = policy.delay(
            afterAttempts: count, elapsed: elapsed, retryAfter: error.retryAfter, random: random)
        return delay.map { .retry(after: $0) } ?? .fail(final(error))
    }

    /// The error of the whole submission, which an open attempt makes unknown.
    private func final(_ error: LedgerError) -> LedgerError {
        guard hasUnknownAttempt, error.sealed != .unknown else { return error }
        let kind: LedgerError.Kind = error.kind == .cancelled ? .cancelled : .outcomeUnknown
        return LedgerError(
            kind, sealed: .unknown,
            message: "An earlier attempt had no definite answer, and the last one was refused "
                + "(\(error.name)), which does not settle it",
            retryAfter: error.retryAfter, status: error.status, cause: error)
    }
}

extension LedgerError.Kind {
    /// Whether the same event may be sealed a little later, without anybody doing anything.
    fileprivate var mayPass: Bool {
        switch self {
        case .overloaded, .notSealed, .unavailable: true
        default: false
        }
    }
}
