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

/// A validated event on its way into the ledger, encoded once, with the times by which it must be sealed or
/// answered.
package struct Submission: Sendable {
    package let token: SubmissionToken
    /// The stream that it came in; nil for a unary call.
    package let stream: StreamID?
    package let event: CertifiedEvent
    package let template: EntryTemplate
    package let fingerprint: Fingerprint
    /// When the service had received it whole: the contract counts from here.
    package let receivedAt: MonotonicInstant
    /// After this it is not put into a new transaction (the contract, or the caller's deadline if earlier).
    package let commitBy: MonotonicInstant
    /// At this time its caller is told that the outcome is unknown, should it be in a transaction then.
    package let answerBy: MonotonicInstant
    /// The index was searched up to this number, and what was found there is another event.
    package internal(set) var clearedThrough: SequenceNumber = .zero

    /// Prepares a validated event for sealing.
    ///
    /// - Parameter callerDeadline: when the caller stops waiting; answers are given 5 ms before it, or they
    ///   would never arrive (DESIGN.md, "Outcomes").
    package init(
        token: SubmissionToken, stream: StreamID?, event: CertifiedEvent, template: EntryTemplate,
        receivedAt: MonotonicInstant, callerDeadline: MonotonicInstant?, settings: SealingSettings
    ) {
        let answerMargin = Nanoseconds.milliseconds(-5)
        let latest = callerDeadline.map { $0 + answerMargin }
        let contract = receivedAt + settings.commitDeadline
        let resolved = receivedAt + settings.resolveDeadline
        self.init(
            token: token, stream: stream, event: event, template: template, receivedAt: receivedAt,
            commitBy: latest.map { min($0, contract) } ?? contract,
            answerBy: latest.map { min($0, resolved) } ?? resolved)
    }

    /// Prepares an event that another replica has forwarded, with the times that it carries.
    package init(
        token: SubmissionToken, stream: StreamID?, event: CertifiedEvent, template: EntryTemplate,
        receivedAt: MonotonicInstant, commitBy: MonotonicInstant, answerBy: MonotonicInstant
    ) {
        self.token = token
        self.stream = stream
        self.event = event
        self.template = template
        fingerprint = Fingerprint(of: event.eventID)
        self.receivedAt = receivedAt
        self.commitBy = commitBy
        self.answerBy = answerBy
    }
}
