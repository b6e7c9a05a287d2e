/// Why a call, or a message in it, is kept away from the gRPC library and from the service.
///
/// The raw values stand in marker messages (`EdgeMarker`) only, inside one process.
package enum Refusal: UInt8, Sendable, CaseIterable {
    /// `grpc-timeout` is not of the protocol's form.
    case malformedTimeout
    /// A pseudo header, the method or the scheme is missing or wrong.
    case malformedHeaders
    /// Headers that came twice.
    case repeatedHeaders
    /// More bytes of headers than `LEDGER_MAX_METADATA_BYTES`.
    case metadataTooLarge
    /// The path names no method of this port.
    case unknownMethod
    /// `grpc-encoding` names something else than identity, gzip or deflate.
    case unknownEncoding
    /// A call of a method with one request message ended without it.
    case missingMessage
    /// The caller ended its side in the middle of a message.
    case incompleteMessage
    /// A second message to a method with one.
    case extraMessage
    /// A message's prefix is not of the protocol's form.
    case malformedMessage
    /// A message is flagged as compressed, and the call names no encoding.
    case compressedWithoutEncoding
    /// A compressed message that does not decompress.
    case malformedCompression
    /// A message longer than the port takes.
    case messageTooLarge
    /// The connection holds `LEDGER_MAX_CONNECTION_BYTES` of requests.
    case connectionBytes
    /// All connections together hold `LEDGER_MAX_REQUEST_BYTES` of requests.
    case requestBytes
    /// All connections together have `LEDGER_MAX_CALLS` open.
    case calls
    /// A request was not complete within `LEDGER_REQUEST_TIMEOUT_MS`.
    case requestTimeout
    /// The connection has reached `LEDGER_CONNECTION_MAX_AGE` and its grace.
    case connectionAged
    /// The connection has reset more than `LEDGER_MAX_RESETS` calls, and is closed.
    case resets
    /// The call was closed before its status was known.
    case cutOff

    /// The label value of `ledger_grpc_refused_total`.
    package var label: String {
        switch self {
        case .malformedTimeout: "malformed_timeout"
        case .malformedHeaders: "malformed_headers"
        case .repeatedHeaders: "repeated_headers"
        case .metadataTooLarge: "metadata_bytes"
        case .unknownMethod: "unknown_method"
        case .unknownEncoding: "unknown_encoding"
        case .missingMessage: "missing_message"
        case .incompleteMessage: "incomplete_message"
        case .extraMessage: "extra_message"
        case .malformedMessage: "malformed_message"
        case .compressedWithoutEncoding: "compressed_without_encoding"
        case .malformedCompression: "malformed_compression"
        case .messageTooLarge: "message_bytes"
        case .connectionBytes: "connection_bytes"
        case .requestBytes: "request_bytes"
        case .calls: "calls"
        case .requestTimeout: "request_timeout"
        case .connectionAged: "connection_age"
        case .resets: "resets"
        case .cutOff: "cut_off"
        }
    }
}
