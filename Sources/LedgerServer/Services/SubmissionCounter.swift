import Foundation
import GRPCCore
import GRPCEdge
import LedgerAPI
import LedgerCore
import Logging
import PrometheusExposition

/// Where submissions come from.
struct SubmissionOrigin: Sendable {
    let caller: CallerIdentity
    /// By what the call's lines are found; nil where nobody asks for that.
    let call: CallOrigin?
    /// The call in which submissions are traced; nil where it is not traced.
    let traced: TracedCall?

    init(caller: CallerIdentity, _ context: CallContext?) {
        self.caller = caller
        call = context.map { CallOrigin($0) }
        traced = TracedCall.of(context)
    }

    /// The same of a call that the gRPC library serves.
    init(caller: CallerIdentity, _ metadata: Metadata, _ traces: Traces?) {
        self.caller = caller
        call = CallOrigin(metadata)
        traced = TracedCall.of(metadata, traces)
    }

    /// Where the call is traced, the spans of an event that is submitted now and was there so long ago.
    func trace(_ event: CertifiedEvent, age: @autoclosure () -> Nanoseconds) -> SubmissionSpans? {
        traced?.received(event, age: age())
    }
}

/// Counts how submissions ended, and those that broke the commit contract; writes a line for each where that is wanted.
struct SubmissionCounter: Sendable {
    let metrics: LedgerMetrics
    let commitDeadline: Nanoseconds
    /// Nil where there is no audit log.
    let audit: AuditLog?
    let logger: Logger

    func count(
        _ outcome: LedgerCore.SubmissionOutcome, of event: CertifiedEvent,
        from origin: SubmissionOrigin
    ) {
        let label = SubmissionOutcomeLabel(outcome)
        metrics.countSubmission(label)
        if case .sealed(_, let latency) = outcome {
            metrics.commitSeconds.observe(latency.seconds)
            if latency > commitDeadline { metrics.contractViolations.increment() }
        }
        guard isTold else { return }
        tell(
            AuditEntry(
                date: Date(), submitter: origin.caller.names.first ?? "",
                address: origin.caller.address,
                eventID: String(decoding: event.eventID.utf8, as: UTF8.self), outcome: label,
                sequenceNumber: outcome.sequenceNumber?.rawValue,
                latencyMilliseconds: outcome.latency?.millisecondsRoundedUp,
                reason: outcome.reason?.rawValue, call: origin.call))
    }

    /// - Parameter eventID: as it was sent, as far as it could be read.
    func count(_ error: LedgerRPCError, eventID: String = "", from origin: SubmissionOrigin) {
        let label: SubmissionOutcomeLabel =
            switch error.reason {
            case .invalidEvent: .invalid
            // More than the rate that was agreed on.
            case .overloaded: .overloaded
            default: .denied
            }
        metrics.countSubmission(label)
        guard isTold else { return }
        tell(
            AuditEntry(
                date: Date(), submitter: origin.caller.names.first ?? "",
                address: origin.caller.address, eventID: eventID, outcome: label,
                reason: error.reason.rawValue, call: origin.call))
    }

    private var isTold: Bool { audit != nil || logger.logLevel <= .debug }

    private func tell(_ entry: AuditEntry) {
        audit?.record(entry)
        logger.debug("a submission ended", metadata: entry.metadata)
    }
}

extension SubmissionOutcomeLabel {
    init(_ outcome: LedgerCore.SubmissionOutcome) {
        self =
            switch outcome {
            case .sealed: .sealed
            case .duplicate: .duplicate
            case .conflicting: .conflicting
            case .notSealed(.overloaded), .notSealed(.storageFull): .overloaded
            case .notSealed: .notSealed
            case .unknown: .unknown
            }
    }
}

extension LedgerCore.SubmissionOutcome {
    /// Under which an event with this id is sealed.
    fileprivate var sequenceNumber: SequenceNumber? {
        switch self {
        case .sealed(let seal, _): seal.sequenceNumber
        case .duplicate(let original): original.entry.sequenceNumber
        case .conflicting(let number, _): number
        case .notSealed, .unknown: nil
        }
    }

    fileprivate var latency: Nanoseconds? {
        if case .sealed(_, let latency) = self { latency } else { nil }
    }

    /// What the caller is told; nil where the event is sealed.
    fileprivate var reason: ErrorReason? {
        switch self {
        case .sealed: nil
        case .duplicate: .duplicateEvent
        case .conflicting: .conflictingEvent
        case .notSealed(let reason): LedgerRPCError.notSealed(reason).reason
        case .unknown: .outcomeUnknown
        }
    }
}
