internal import GRPCCore
internal import LedgerAPI

extension LedgerError {
    /// What the failure of an attempt to submit means.
    ///
    /// A status without an ErrorInfo of domain `ledger` was made by a client library, a proxy or a
    /// broken connection, and leaves the outcome unknown. The one exception is an event that was
    /// never handed to the transport: that one is certainly not sealed.
    ///
    /// - Parameters:
    ///   - error: What the call threw.
    ///   - wasSent: Whether the event may have left this process.
    ///   - service: Who was called, for the message.
    package static func submission(
        _ error: any Error, wasSent: Bool, service: String
    ) -> LedgerError {
        if let error = error as? LedgerError { return error }
        if let error = error as? RPCError {
            let answer = ErrorAnswer(error)
            if answer.reason != nil { return submission(answer, service: service, cause: error) }
        }
        let status = (error as? RPCError).map { statusName($0.code.rawValue) }
        if isCancellation(error) {
            return LedgerError(
                .cancelled, sealed: wasSent ? .unknown : .no,
                message: "The submission was cancelled", status: status, cause: error)
        }
        if wasSent {
            return LedgerError(
                .outcomeUnknown, sealed: .unknown,
                message: "No definite answer came from \(service) (\(summary(error)))",
                status: status, cause: error)
        }
        return LedgerError(
            .unavailable, sealed: .no,
            message: "Could not reach \(service), and nothing was sent (\(summary(error)))",
            status: status, cause: error)
    }

    /// What the service's answer to a submission means.
    package static func submission(
        _ answer: ErrorAnswer, service: String, cause: (any Error)? = nil
    ) -> LedgerError {
        guard let reason = answer.reason.flatMap(ErrorReason.init(rawValue:)),
            let (kind, sealed) = outcome(reason, answer)
        else {
            // A later version's reason: nothing certain can be concluded from it.
            return LedgerError(
                .outcomeUnknown, sealed: .unknown,
                message: "\(service) gave an answer that this client does not know "
                    + "(\(answer.status) \(answer.reason ?? "without a reason"))",
                retryAfter: answer.retryAfter, status: answer.status, cause: cause)
        }
        var error = LedgerError(
            kind, sealed: sealed, message: answer.message, retryAfter: answer.retryAfter,
            status: answer.status, cause: cause)
        error.isFromService = !answer.message.isEmpty
        error.differingFields = answer.differingFields
        if answer.message.isEmpty { error.message = "\(service) answered \(reason.rawValue)" }
        return error
    }

    private static func outcome(
        _ reason: ErrorReason, _ answer: ErrorAnswer
    ) -> (Kind, SealedState)? {
        switch reason {
        case .invalidEvent: (.invalid(violations: answer.violations), .no)
        case .overloaded: (.overloaded, .no)
        case .storageFull: (.storageFull, .no)
        case .notSealed: (.notSealed, .no)
        case .conflictingEvent: (.conflicting, .no)
        case .notAuthenticated: (.notAuthenticated, .no)
        case .notAllowed: (.notAllowed, .no)
        case .badSignature: (.badSignature, .no)
        case .ledgerRolledBack: (.rolledBack, .no)
        case .outcomeUnknown: (.outcomeUnknown, .unknown)
        // Without the original nothing shows what is sealed; the next attempt will.
        case .duplicateEvent:
            answer.original.map { (.duplicate(original: SealedEvent($0)), .yes) }
        // Not of a submission.
        case .notFound, .corrupt, .noSigningKey, .notYetCovered, .outOfRange, .invalidArgument,
            .unimplemented, .stopping, .unavailable, .deadlineExceeded, .cancelled, .internalError:
            nil
        }
    }

    /// Whether the failure only says that the calling task was cancelled.
    package static func isCancellation(_ error: any Error) -> Bool {
        if error is CancellationError { return true }
        // A status CANCELLED also comes from a service that stops; only the task knows.
        return Task.isCancelled
    }

    /// The status and the text of the error that lies lowest: the ones above it tell how the
    /// library works, this one tells what happened.
    package static func summary(_ error: any Error) -> String {
        var status: String?
        var lowest = error
        while true {
            if let error = lowest as? RPCError {
                status = status ?? statusName(error.code.rawValue)
                guard let cause = error.cause else { break }
                lowest = cause
            } else if let cause = (lowest as? RuntimeError)?.cause {
                lowest = cause
            } else {
                break
            }
        }
        let text = (lowest as? RPCError)?.message ?? (lowest as? RuntimeError)?.message
        let line = (text ?? "\(lowest)").prefix(300)
        return status.map { "\($0): \(line)" } ?? String(line)
    }
}
