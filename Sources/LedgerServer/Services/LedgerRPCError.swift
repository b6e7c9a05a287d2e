package import GRPCCore
package import GRPCProtobuf
package import LedgerAPI
package import SwiftProtobuf

/// An error as a caller sees it: a status with an ErrorInfo of domain `ledger`.
///
/// A service method throws it, and the library sends it as status and `grpc-status-details-bin`.
/// What a caller gets without such an ErrorInfo was made by something else and means *unknown*.
package struct LedgerRPCError: Error, Sendable {
    /// The longest message in UTF-8 bytes; the rest is cut, for trailers are limited to 8 KiB.
    package static let maxMessageBytes = 512
    /// How many fields are named as wrong at most.
    package static let maxFieldViolations = 8

    /// One field of the request and what is wrong with it.
    package struct FieldViolation: Sendable, Hashable {
        /// The field's name in the proto.
        package let field: String
        /// What is accepted, without the field's content.
        package let description: String

        /// Names a field and its rule.
        package init(field: String, description: String) {
            self.field = field
            self.description = description
        }
    }

    /// The gRPC status code, never OK.
    package let code: RPCError.Code
    /// What exactly happened, for programs.
    package let reason: ErrorReason
    /// What happened and what the caller can do, for people.
    package let message: String
    /// Sent as BadRequest where there are any.
    package let fieldViolations: [FieldViolation]
    /// Sent as RetryInfo where there is one.
    package let retryDelay: Duration?
    /// Short additional values of the ErrorInfo.
    package let metadata: [String: String]
    /// Further details, for example the original event of a duplicate; the caller bounds them.
    package let extraDetails: [Google_Protobuf_Any]

    /// Makes an error; the message is cut at `maxMessageBytes`.
    package init(
        _ code: RPCError.Code, _ reason: ErrorReason, _ message: String,
        fieldViolations: [FieldViolation] = [], retryDelay: Duration? = nil,
        metadata: [String: String] = [:], extraDetails: [Google_Protobuf_Any] = []
    ) {
        self.code = code
        self.reason = reason
        self.message = Self.cut(message)
        self.fieldViolations = fieldViolations.prefix(Self.maxFieldViolations).map {
            FieldViolation(field: Self.cut($0.field), description: Self.cut($0.description))
        }
        self.retryDelay = retryDelay
        self.metadata = metadata
        self.extraDetails = extraDetails
    }

    /// The same error in the library's richer form.
    package var googleRPCStatus: GoogleRPCStatus {
        var details: [ErrorDetails] = [
            .errorInfo(reason: reason.rawValue, domain: ErrorReason.domain, metadata: metadata)
        ]
        if !fieldViolations.isEmpty {
            details.append(
                .badRequest(
                    violations: fieldViolations.map {
                        .init(field: $0.field, description: $0.description)
                    }))
        }
        if let retryDelay {
            details.append(.retryInfo(delay: retryDelay))
        }
        details.append(contentsOf: extraDetails.map { .any($0) })
        return GoogleRPCStatus(code: code, message: message, details: details)
    }

    /// Cuts at a character's boundary.
    private static func cut(_ text: String) -> String {
        guard text.utf8.count > maxMessageBytes else { return text }
        var length = 0
        let kept = text.prefix { character in
            length += character.utf8.count
            return length <= maxMessageBytes
        }
        return String(kept)
    }
}

extension LedgerRPCError: RPCErrorConvertible {
    package var rpcErrorCode: RPCError.Code { code }
    package var rpcErrorMessage: String { message }
    package var rpcErrorMetadata: Metadata { googleRPCStatus.rpcErrorMetadata }
}

extension LedgerRPCError: CustomStringConvertible {
    package var description: String { "\(code)/\(reason.rawValue): \(message)" }
}
