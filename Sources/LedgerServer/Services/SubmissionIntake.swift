import EventLoopTasks
import Foundation
import GRPCCore
package import LedgerAPI
package import LedgerCore

/// Checks what callers submit before the sealing loop hears of it: who calls, the event's bounds, its signature.
package struct SubmissionIntake: Sendable {
    private let limits: EventLimits
    private let allowedSubmitters: Set<String>
    private let verifier: VEPSVerifier?

    /// - Parameters:
    ///   - limits: `LEDGER_MAX_PAYLOAD_BYTES`.
    ///   - allowedSubmitters: `LEDGER_ALLOWED_SUBMITTERS`; empty for every caller.
    ///   - verifier: checks `veps_signature`; nil where signatures are only stored.
    package init(limits: EventLimits, allowedSubmitters: [String], verifier: VEPSVerifier?) {
        self.limits = limits
        self.allowedSubmitters = Set(allowedSubmitters)
        self.verifier = verifier
    }

    /// Whether the caller may submit at all.
    package func authorize(_ caller: CallerIdentity) throws(LedgerRPCError) {
        if allowedSubmitters.isEmpty { return }
        guard !caller.names.isEmpty else {
            throw LedgerRPCError(
                .unauthenticated, .notAuthenticated,
                "a client certificate is required to submit; the event was not sealed")
        }
        guard caller.names.contains(where: allowedSubmitters.contains) else {
            throw LedgerRPCError(
                .permissionDenied, .notAllowed,
                "this caller may not submit; the event was not sealed")
        }
    }

    /// The event as it is to be sealed. Its signature is verified on the pool: that costs more than all the rest.
    package func validate(
        _ submission: Ledger_Internal_Submission, from caller: CallerIdentity
    ) async throws(LedgerRPCError) -> CertifiedEvent {
        let event: CertifiedEvent
        do throws(InvalidEvent) {
            event = try CertifiedEvent(
                eventID: Array(submission.eventID), payload: Array(submission.payload),
                vepsSignature: Array(submission.vepsSignature),
                vepsTimestamp: submission.vepsTimestamp,
                metadata: submission.metadata.map {
                    MetadataEntry(key: Array($0.key), value: Array($0.value))
                },
                submitter: caller.submitter, limits: limits)
        } catch {
            throw LedgerRPCError(
                .invalidArgument, .invalidEvent,
                "the event is invalid and was not sealed: \(error)",
                fieldViolations: error.violations.map {
                    .init(field: $0.field, description: $0.description)
                })
        }
        if let verifier, await Reactor.runOnPool({ !verifier.accepts(event) }) {
            throw LedgerRPCError(
                .permissionDenied, .badSignature,
                "veps_signature does not verify with any configured key; the event was not sealed")
        }
        return event
    }
}

extension Ledger_Internal_Submission {
    /// The id for a stream's answer; what is not UTF-8 is shown replaced.
    var displayedID: String { String(decoding: eventID, as: UTF8.self) }
}
