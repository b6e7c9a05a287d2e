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
    /// Whether the details say when to try again.
    package let hasRetryInfo: Bool

    package init(_ error: any Error) {
        guard let error = error as? RPCError else {
            code = .unknown
            reason = nil
            message = "\(error)"
            original = nil
            hasRetryInfo = false
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
        hasRetryInfo = details.contains { $0.retryInfo != nil }
    }

    package var description: String { "\(code)/\(reason ?? "no reason"): \(message)" }
}
