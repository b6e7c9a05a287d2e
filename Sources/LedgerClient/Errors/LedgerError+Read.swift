internal import GRPCCore
internal import LedgerAPI

extension LedgerError {
    /// What the failure of a read means.
    ///
    /// - Parameters:
    ///   - error: What the call threw.
    ///   - service: Who was called, for the message.
    package static func read(_ error: any Error, service: String) -> LedgerError {
        if let error = error as? LedgerError { return error }
        if isCancellation(error) {
            return LedgerError(
                .cancelled, sealed: nil, message: "The call was cancelled", cause: error)
        }
        guard let rpcError = error as? RPCError else {
            return LedgerError(
                .unavailable, sealed: nil,
                message: "Could not call \(service) (\(summary(error)))", cause: error)
        }
        let answer = ErrorAnswer(rpcError)
        let reason = answer.reason.flatMap(ErrorReason.init(rawValue:))
        let kind = reason.flatMap(readKind) ?? readKind(rpcError.code, answer)
        var result = LedgerError(
            kind, sealed: nil, message: answer.message, retryAfter: answer.retryAfter,
            status: answer.status, cause: error)
        result.isFromService = answer.reason != nil && !answer.message.isEmpty
        if let reason = answer.reason {
            if answer.message.isEmpty { result.message = "\(service) answered \(reason)" }
        } else {
            result.message = "No answer came from \(service) (\(summary(error)))"
        }
        return result
    }

    /// Whether the same read may have another result a little later.
    package var isWorthReadingAgain: Bool {
        switch kind {
        case .unavailable, .timedOut, .overloaded: true
        default: false
        }
    }

    private static func readKind(_ reason: ErrorReason) -> Kind? {
        switch reason {
        case .notFound: .notFound
        case .corrupt: .corrupt
        case .noSigningKey: .noSigningKey
        case .notYetCovered: .notYetCovered
        case .overloaded: .overloaded
        case .notAuthenticated: .notAuthenticated
        case .notAllowed: .notAllowed
        case .ledgerRolledBack: .rolledBack
        default: nil
        }
    }

    private static func readKind(_ code: RPCError.Code, _ answer: ErrorAnswer) -> Kind {
        switch code {
        case .invalidArgument: .invalid(violations: answer.violations)
        case .notFound: answer.reason == nil ? .unexpected : .notFound
        case .outOfRange: .outOfRange
        case .dataLoss: .corrupt
        case .unavailable: .unavailable
        case .deadlineExceeded: .timedOut
        case .resourceExhausted: .overloaded
        case .unauthenticated: .notAuthenticated
        case .permissionDenied: .notAllowed
        default: .unexpected
        }
    }
}
