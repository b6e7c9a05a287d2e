/// Names one submission inside a replica: two submissions of the same event have two tokens.
package struct SubmissionToken: Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// Names a stream of submissions, for fairness between streams and order within one.
package struct StreamID: Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// Who waits for the outcomes of submissions. The core hands it back with each outcome and never calls it.
package protocol SubmissionCaller: AnyObject, Sendable {
    /// Tells outcomes of this caller's submissions, each once; from any thread, so it must be quick.
    func settle(_ answers: [SubmissionAnswer])
}

/// What one caller is told of one submission.
package struct SubmissionAnswer: Sendable {
    package let submission: Submission
    package let outcome: SubmissionOutcome

    package init(_ submission: Submission, _ outcome: SubmissionOutcome) {
        self.submission = submission
        self.outcome = outcome
    }
}

/// A validated event on its way into the ledger, encoded once, with the times by which it must be sealed or
/// answered. It never changes; what becomes of it stands in the `SubmissionBook`.
package final class Submission: Sendable {
    /// Who submitted it.
    package enum Origin: Hashable, Sendable {
        /// A caller of this replica.
        case caller
        /// Another replica has forwarded it, so it is sealed here or not at all (protocol.md 19).
        case replica
    }

    package let token: SubmissionToken
    /// The stream that it came in; nil for a unary call.
    package let stream: StreamID?
    package let origin: Origin
    package let event: CertifiedEvent
    package let template: EntryTemplate
    package let fingerprint: Fingerprint
    /// When the service had received it whole: the contract counts from here.
    package let receivedAt: MonotonicInstant
    /// After this it is not put into a new transaction (the contract, or the caller's deadline if earlier).
    package let commitBy: MonotonicInstant
    /// At this time its caller is told that the outcome is unknown, should it be in a transaction then.
    package let answerBy: MonotonicInstant
    /// Who is told of the outcome.
    package let caller: any SubmissionCaller
    /// How the caller calls it.
    package let label: UInt64
    /// Nil where nobody traces it.
    package let trace: (any SubmissionTrace)?

    /// Prepares a validated event for sealing.
    ///
    /// - Parameter callerDeadline: when the caller stops waiting; answers are given 5 ms before it, or they
    ///   would never arrive (design.md, "Outcomes").
    package convenience init(
        token: SubmissionToken, stream: StreamID?, event: CertifiedEvent, template: EntryTemplate,
        receivedAt: MonotonicInstant, callerDeadline: MonotonicInstant?, settings: SealingSettings,
        caller: any SubmissionCaller, label: UInt64 = 0, trace: (any SubmissionTrace)? = nil
    ) {
        let answerMargin = Nanoseconds.milliseconds(-5)
        let latest = callerDeadline.map { $0 + answerMargin }
        let contract = receivedAt + settings.commitDeadline
        let resolved = receivedAt + settings.resolveDeadline
        self.init(
            token: token, stream: stream, origin: .caller, event: event, template: template,
            receivedAt: receivedAt, commitBy: latest.map { min($0, contract) } ?? contract,
            answerBy: latest.map { min($0, resolved) } ?? resolved, caller: caller, label: label,
            trace: trace)
    }

    /// Prepares an event with times that were reckoned elsewhere: one that another replica has forwarded.
    package init(
        token: SubmissionToken, stream: StreamID?, origin: Origin, event: CertifiedEvent,
        template: EntryTemplate, receivedAt: MonotonicInstant, commitBy: MonotonicInstant,
        answerBy: MonotonicInstant, caller: any SubmissionCaller, label: UInt64,
        trace: (any SubmissionTrace)? = nil
    ) {
        self.token = token
        self.stream = stream
        self.origin = origin
        self.event = event
        self.template = template
        fingerprint = Fingerprint(of: event.eventID)
        self.receivedAt = receivedAt
        self.commitBy = commitBy
        self.answerBy = answerBy
        self.caller = caller
        self.label = label
        self.trace = trace
    }

    /// When something has to be done about it, while it waits.
    var expiry: MonotonicInstant { min(commitBy, answerBy) }

    /// The bytes of its entry.
    package var byteCount: Int { template.byteCount }
}
