package import GRPCCore
internal import GRPCProtobuf
package import LedgerAPI
internal import SwiftProtobuf

/// What an unsuccessful answer says, wherever it was written: in a status or in a stream's rejection.
package struct ErrorAnswer: Sendable {
    /// The status, such as `UNAVAILABLE`.
    package var status: String

    /// The text of the status.
    package var message: String

    /// The reason, where the service made the answer; nil where something in between did.
    package var reason: String?

    /// How long to wait before the next attempt.
    package var retryAfter: Duration?

    /// The fields that were refused.
    package var violations: [FieldViolation] = []

    /// The fields in which the event differs from the one that is sealed under its id, for a conflict.
    package var differingFields: [String] = []

    /// The event that was sealed before, for a duplicate.
    package var original: Ledger_SealedEvent?

    /// The name in an ErrorInfo's metadata.
    package static let differsKey = "differs"

    /// Reads the details of a status. Details that don't decode count as absent.
    package init(_ error: RPCError) {
        status = statusName(error.code.rawValue)
        message = error.message
        guard let details = try? error.unpackGoogleRPCStatus()?.details else { return }
        let info = details.lazy.compactMap(\.errorInfo).first { $0.domain == ErrorReason.domain }
        reason = info?.reason
        differingFields =
            info?.metadata[Self.differsKey]?.split(separator: ",").map {
                String($0.drop { $0 == " " })
            } ?? []
        retryAfter = details.lazy.compactMap(\.retryInfo).first?.delay
        violations =
            details.lazy.compactMap(\.badRequest).first?.violations.map {
                FieldViolation(field: $0.field, explanation: $0.violationDescription)
            } ?? []
        original = details.lazy.compactMap(\.any)
            .first { $0.isA(Ledger_SealedEvent.self) }
            .flatMap { try? Ledger_SealedEvent(unpackingAny: $0) }
    }

    /// Reads a rejection in a stream.
    package init(_ rejection: Ledger_Rejection) {
        status = statusName(Int(rejection.code))
        message = rejection.message
        reason = rejection.reason.isEmpty ? nil : rejection.reason
        original = rejection.hasOriginal ? rejection.original : nil
    }
}

/// The name that gRPC's documents give to a status code.
package func statusName(_ code: Int) -> String {
    let names = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
        "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    ]
    return names.indices.contains(code) ? names[code] : "code \(code)"
}
