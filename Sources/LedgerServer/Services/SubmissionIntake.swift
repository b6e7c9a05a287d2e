import EventLoopTasks
import GRPCCore
import LedgerAPI
package import LedgerCore

/// Checks what callers submit before the sealing loop hears of it: who calls, the event's bounds, its signature.
package struct SubmissionIntake: Sendable {
    private let limits: EventLimits
    private let submitters: AccessList
    private let verifier: VEPSVerifier?
    private let admission: RateAdmission?

    /// - Parameters:
    ///   - limits: `LEDGER_MAX_PAYLOAD_BYTES`.
    ///   - submitters: `LEDGER_ALLOWED_SUBMITTERS`.
    ///   - verifier: checks `veps_signature`; nil where signatures are only stored.
    ///   - admission: bounds how many events are taken; nil where nothing does.
    package init(
        limits: EventLimits, submitters: AccessList, verifier: VEPSVerifier?,
        admission: RateAdmission? = nil
    ) {
        self.limits = limits
        self.submitters = submitters
        self.verifier = verifier
        self.admission = admission
    }

    /// Whether the caller may submit at all.
    package func authorize(_ caller: CallerIdentity) throws(LedgerRPCError) {
        try submitters.check(caller, to: "submit", consequence: "; the event was not sealed")
    }

    /// What a message comes to.
    package enum Verdict: Sendable {
        /// The event as it is to be sealed.
        case event(CertifiedEvent)
        /// This event is not sealed.
        case refused(LedgerRPCError, eventID: String)
        /// The bytes are no event at all.
        case broken(LedgerRPCError)

        /// The event's id, as far as it could be read.
        package var eventID: String {
            switch self {
            case .event(let event): String(decoding: event.eventID.utf8, as: UTF8.self)
            case .refused(_, let eventID): eventID
            case .broken: ""
            }
        }

        /// The event, or why there is none.
        package var event: CertifiedEvent {
            get throws(LedgerRPCError) {
                switch self {
                case .event(let event): return event
                case .refused(let error, _), .broken(let error): throw error
                }
            }
        }
    }

    /// Checks a message. What is large is decoded and checked on the pool, and every signature is verified there: that
    /// costs more than all the rest.
    package func validate(
        _ message: SubmittedMessage, from caller: CallerIdentity
    ) async -> Verdict {
        if let verdict = validateAtOnce(message, from: caller) { return verdict }
        return await Reactor.runOnPool { validateWhole(message, from: caller) }
    }

    /// As `validate`, where it is little work; nil where it belongs on the pool.
    package func validateAtOnce(
        _ message: SubmittedMessage, from caller: CallerIdentity
    ) -> Verdict? {
        switch message {
        case .submission where verifier != nil, .encoded: nil
        case .submission, .refused, .broken: validateWhole(message, from: caller)
        }
    }

    /// As `validate`, whatever work it is: for the pool.
    package func validateWhole(
        _ message: SubmittedMessage, from caller: CallerIdentity
    ) -> Verdict {
        switch message {
        case .refused(let error, let eventID): .refused(error, eventID: eventID)
        case .broken(let error): .broken(error)
        case .encoded(let bytes): validateWhole(SubmittedMessage.decode(bytes), from: caller)
        case .submission(let submission):
            // Before what costs more: checking the event, and its signature.
            if let error = admission?.refusal(of: submission.eventID, from: caller) {
                .refused(error, eventID: submission.displayedID)
            } else {
                switch check(submission, from: caller) {
                case .event(let event): verified(event)
                case let verdict: verdict
                }
            }
        }
    }

    private func verified(_ event: CertifiedEvent) -> Verdict {
        guard let verifier, !verifier.accepts(event) else { return .event(event) }
        return .refused(
            LedgerRPCError(
                .permissionDenied, .badSignature,
                "veps_signature does not verify with any configured key; the event was not sealed"),
            eventID: String(decoding: event.eventID.utf8, as: UTF8.self))
    }

    private func check(
        _ submission: SubmittedEvent, from caller: CallerIdentity
    ) -> Verdict {
        let event: CertifiedEvent
        do throws(InvalidEvent) {
            event = try CertifiedEvent(
                eventID: submission.eventID, payload: submission.payload,
                vepsSignature: submission.vepsSignature, vepsTimestamp: submission.vepsTimestamp,
                metadata: submission.metadata, submitter: caller.submitter, limits: limits)
        } catch {
            return .refused(
                LedgerRPCError(
                    .invalidArgument, .invalidEvent,
                    "the event is invalid and was not sealed: \(error)",
                    fieldViolations: error.violations.map {
                        .init(field: $0.field, description: $0.description)
                    }), eventID: submission.displayedID)
        }
        return .event(event)
    }
}
