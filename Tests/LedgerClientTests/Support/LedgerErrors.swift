import GRPCCore
import GRPCProtobuf
import LedgerAPI
import LedgerClient
import SwiftProtobuf

/// An error as the service makes it.
func ledgerError(
    _ code: RPCError.Code, _ reason: String, retryAfter: Duration? = nil,
    violations: [ErrorDetails.BadRequest.FieldViolation] = [], original: SealedEvent? = nil,
    metadata: [String: String] = [:], domain: String = "ledger"
) -> GoogleRPCStatus {
    var details: [ErrorDetails] = [
        .errorInfo(reason: reason, domain: domain, metadata: metadata)
    ]
    if let retryAfter { details.append(.retryInfo(delay: retryAfter)) }
    if !violations.isEmpty { details.append(.badRequest(violations: violations)) }
    if let original, let packed = try? Google_Protobuf_Any(message: Ledger_SealedEvent(original)) {
        details.append(.any(packed))
    }
    return GoogleRPCStatus(code: code, message: "", details: details)
}

/// The rejection in a stream that stands for an error; an error without a reason ends the stream.
func rejection(of error: any Error, _ eventID: String) throws -> Ledger_Rejection {
    guard let status = error as? GoogleRPCStatus else { throw error }
    var rejection = Ledger_Rejection()
    rejection.eventID = eventID
    rejection.code = Int32(status.code.rawValue)
    rejection.reason = status.details.lazy.compactMap(\.errorInfo).first?.reason ?? ""
    if let packed = status.details.lazy.compactMap(\.any).first {
        rejection.original = try Ledger_SealedEvent(unpackingAny: packed)
    }
    return rejection
}

/// An event whose content depends on its id alone.
func testEvent(_ id: String, payload: [UInt8]? = nil) -> CertifiedEvent {
    CertifiedEvent(
        eventID: id, payload: payload ?? Array("payload of \(id)".utf8), vepsSignature: "sig",
        vepsTimestamp: 1_702_234_567_891, metadata: ["zone": "eu"])
}

/// The kind's name of an error, without its values.
func name(of error: any Error) -> String {
    (error as? LedgerError)?.name ?? "\(error)"
}
