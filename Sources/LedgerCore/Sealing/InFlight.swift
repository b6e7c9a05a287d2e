/// A transaction that was sent, and everything known about its transmissions.
///
/// A negative answer settles a transmission, not the transaction (PROTOCOL.md 2): transmission 1 can time out
/// and be applied after transmission 2 was refused. The transaction is certainly not applied only when every
/// transmission ended negatively, or when the counter has moved past its comparison without it.
struct InFlight: Sendable {
    /// What is being done to learn the transaction's fate.
    enum Resolution: Sendable {
        /// Waiting for a transmission's answer.
        case awaitingAnswer
        /// Counter and head are being read. `settles`: the read began after every transmission had ended, so
        /// an unchanged counter is the last word about those that ended with "no space" (PROTOCOL.md 1).
        case observing(ObservationID, settles: Bool)
        /// The store did not answer; the next read begins then.
        case pausing(until: MonotonicInstant)
    }

    let proposal: Proposal
    private(set) var submissions: [Submission]
    private var answered: Set<SubmissionToken> = []
    let plannedAt: MonotonicInstant
    let sentAt: MonotonicInstant
    /// When the transaction's fate begins to be resolved by reading, should there be no answer by then.
    var resolveAt: MonotonicInstant
    /// Transmissions whose transfer has not ended.
    var openTransmissions = 1
    /// A transmission ended without a definite answer: it may be applied at any later time.
    var mayStillApply = false
    /// A transmission ended with "no space".
    var sawNoSpace = false
    var resolution = Resolution.awaitingAnswer
    /// How often the transaction was sent again.
    var resent = 0
    /// When the first caller has to be told that the outcome is unknown; nil when all were answered.
    private(set) var earliestAnswer: MonotonicInstant?
    var pause = Nanoseconds.milliseconds(5)

    init(
        _ proposal: Proposal, plan: BatchPlan, sentAt: MonotonicInstant, resolveAt: MonotonicInstant
    ) {
        self.proposal = proposal
        submissions = plan.submissions
        plannedAt = plan.plannedAt
        self.sentAt = sentAt
        self.resolveAt = resolveAt
        earliestAnswer = submissions.map(\.answerBy).min()
    }

    /// The submissions whose callers still wait.
    var unanswered: [Submission] {
        answered.isEmpty ? submissions : submissions.filter { !answered.contains($0.token) }
    }

    var nextWake: MonotonicInstant? {
        let next: MonotonicInstant? =
            switch resolution {
            case .awaitingAnswer: resolveAt
            case .observing: nil
            case .pausing(let until): until
            }
        guard let earliestAnswer, let next else { return earliestAnswer ?? next }
        return min(earliestAnswer, next)
    }

    /// Whether no transmission can be applied any more, but for what "no space" may hide.
    var everyTransmissionEnded: Bool {
        openTransmissions == 0 && !mayStillApply
    }

    /// Whether the caller of one of its submissions has been answered.
    func isAnswered(_ token: SubmissionToken) -> Bool {
        answered.contains(token)
    }

    /// The caller is answered before the transaction's fate is known; from now on its event never enters a new
    /// transaction (PROTOCOL.md 6).
    mutating func abandon(_ token: SubmissionToken) -> Bool {
        guard submissions.contains(where: { $0.token == token }) else { return false }
        guard answered.insert(token).inserted else { return false }
        earliestAnswer = unanswered.map(\.answerBy).min()
        return true
    }

    /// All whose time is up are abandoned together.
    mutating func abandonOverdue(at now: MonotonicInstant) -> [SubmissionToken] {
        guard let earliestAnswer, earliestAnswer <= now else { return [] }
        let overdue = unanswered.filter { $0.answerBy <= now }.map(\.token)
        answered.formUnion(overdue)
        self.earliestAnswer = unanswered.map(\.answerBy).min()
        return overdue
    }
}

extension Proposal {
    /// Whether an event with this fingerprint is in the batch.
    func contains(_ fingerprint: Fingerprint) -> Bool {
        records.contains { $0.fingerprint == fingerprint }
    }
}

/// Reading what others have sealed.
struct CatchUp: Sendable {
    let observation: LedgerObservation
    /// The own transaction that the moved counter has settled; the first block after its base tells how.
    var inDoubt: InFlight?
    /// Consecutive answers that made no sense. A transfer can be damaged once; a store that stays
    /// inconsistent fences.
    var failures = 0
    var retryAt: MonotonicInstant?
}
