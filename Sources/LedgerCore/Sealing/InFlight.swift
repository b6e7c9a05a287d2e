/// A transaction that was sent, and everything known about its transmissions.
///
/// A negative answer settles a transmission, not the transaction (protocol.md 2): transmission 1 can time out
/// and be applied after transmission 2 was refused. The transaction is certainly not applied only when every
/// transmission ended negatively, or when the counter has moved past its comparison without it.
struct InFlight: Sendable {
    /// What is being done to learn the transaction's fate.
    enum Resolution: Sendable {
        /// Waiting for a transmission's answer.
        case awaitingAnswer
        /// Counter and head are being read. `settles`: the read began after every transmission had ended, so
        /// an unchanged counter is the last word about those that ended with "no space" (protocol.md 1).
        case observing(ObservationID, settles: Bool)
        /// The store did not answer; the next read begins then.
        case pausing(until: MonotonicInstant)
    }

    let proposal: Proposal
    /// In the order of the proposal's records. Who among them is answered by now, the book tells.
    let submissions: [Submission]
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
    var pause = Nanoseconds.milliseconds(5)

    init(
        _ proposal: Proposal, plan: BatchPlan, sentAt: MonotonicInstant, resolveAt: MonotonicInstant
    ) {
        self.proposal = proposal
        submissions = plan.submissions
        plannedAt = plan.plannedAt
        self.sentAt = sentAt
        self.resolveAt = resolveAt
    }

    /// When something has to be done to learn the transaction's fate.
    var nextWake: MonotonicInstant? {
        switch resolution {
        case .awaitingAnswer: resolveAt
        case .observing: nil
        case .pausing(let until): until
        }
    }

    /// Whether no answer told at once what became of the transaction.
    var isInDoubt: Bool {
        if case .awaitingAnswer = resolution { return mayStillApply || resent > 0 }
        return true
    }

    /// What is told once it is known whether the transaction is sealed; nothing where that was never in doubt.
    func resolved(isSealed: Bool) -> [ReplicaEffect] {
        isInDoubt ? [.report(.doubtResolved(isSealed: isSealed))] : []
    }

    /// Whether no transmission can be applied any more, but for what "no space" may hide.
    var everyTransmissionEnded: Bool {
        openTransmissions == 0 && !mayStillApply
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
