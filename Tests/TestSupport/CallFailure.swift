package import GRPCCore
import GRPCProtobuf
package import LedgerAPI
import SwiftProtobuf

/// A status other than OK, as a caller sees it.
package struct CallFailure: Error, CustomStringConvertible {
    package let code: RPCError.Code
    /// The reason of the ErrorInfo with domain `ledger`; nil where there is none, which means that
    /// something else than the service made the status.
    package let reason: String?
    package let message: String
    /// The sealed event in the details of a duplicate.
    package let original: Ledger_SealedEvent?
    /// When to try again, where the details say so.
    package let retryDelay: Duration?

    /// Whether they do.
    package var hasRetryInfo: Bool { retryDelay != nil }

    package init(_ error: any Error) {
        guard let error = error as? RPCError else {
            code = .unknown
            reason = nil
            message = "\(error)"
            original = nil
            retryDelay = nil
            return
        }
        code = error.code
        message = error.message
        let details = (try? error.unpackGoogleRPCStatus())?.details ?? []
        reason = details.lazy.compactMap(\.errorInfo).first { $0.domain == "ledger" }?.reason
        original =
            details.lazy.compactMap(\.any).compactMap {
                try? Ledger_SealedEvent(unpackingAny: $0)
            }.first
        retryDelay = details.lazy.compactMap(\.retryInfo).first?.delay
    }

    package var description: String { "\(code)/\(reason ?? "no reason"): \(message)" }
}
