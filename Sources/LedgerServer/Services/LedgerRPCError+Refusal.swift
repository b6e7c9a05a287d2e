import GRPCCore
package import GRPCEdge
import LedgerAPI
import LedgerCore
import TextFormats

extension LedgerRPCError {
    /// What a caller is told whose request was kept away from the service: it did nothing, and nothing was sealed.
    ///
    /// - Parameters:
    ///   - shape: the method's; nil where it is not known.
    ///   - limits: named in the messages.
    package static func refused(
        _ refusal: Refusal, of shape: CallShape?, limits: EdgeLimits
    ) -> Self {
        let isSubmission = shape?.isSubmission ?? false
        let invalid: ErrorReason = isSubmission ? .invalidEvent : .invalidArgument
        let effect = isSubmission ? "; the event was not sealed" : ""
        func error(
            _ code: RPCError.Code, _ reason: ErrorReason, _ text: String, retry: Duration? = nil
        ) -> Self {
            Self(code, reason, text + effect, retryDelay: retry)
        }
        let later = Duration.milliseconds(200)
        return switch refusal {
        case .malformedTimeout:
            error(
                .invalidArgument, invalid,
                "grpc-timeout is not one to eight digits and one of H, M, S, m, u, n")
        case .malformedHeaders:
            error(
                .invalidArgument, invalid,
                "the request's headers are not those of a gRPC call: POST, http or https, a path")
        case .repeatedHeaders:
            error(.internalError, invalid, "the request's headers came twice")
        case .metadataTooLarge:
            error(
                .resourceExhausted, invalid,
                "the call's metadata is longer than \(limits.maxMetadataBytes) bytes")
        case .unknownMethod:
            error(.unimplemented, .unimplemented, "this port has no such method")
        case .unknownEncoding:
            error(
                .unimplemented, .unimplemented,
                "grpc-encoding must be identity, gzip or deflate")
        case .missingMessage:
            error(.internalError, invalid, "the request ended without a message")
        case .incompleteMessage:
            error(.internalError, invalid, "the request ended in the middle of a message")
        case .extraMessage:
            error(.internalError, invalid, "the method takes one request message; more came")
        case .malformedMessage:
            error(.invalidArgument, invalid, "the bytes are no gRPC message")
        case .compressedWithoutEncoding:
            error(
                .internalError, invalid,
                "a message is flagged as compressed, but the call has no grpc-encoding")
        case .malformedCompression:
            error(.invalidArgument, invalid, "a compressed message does not decompress")
        case .messageTooLarge:
            error(
                .resourceExhausted, invalid,
                isSubmission
                    ? "a message may have at most \(limits.maxSkippedBytes) bytes"
                    : "a request of this method may have at most \(shape?.maxMessageBytes ?? 0) bytes"
            )
        case .connectionBytes:
            error(
                .resourceExhausted, .overloaded,
                "this connection holds too many bytes of requests that are not complete",
                retry: later)
        case .requestBytes:
            error(
                .resourceExhausted, .overloaded,
                "the replica holds too many bytes of requests that are not complete", retry: later)
        case .calls:
            error(
                .resourceExhausted, .overloaded, "the replica has too many open calls",
                retry: later)
        case .requestTimeout:
            error(
                .deadlineExceeded, isSubmission ? .notSealed : .deadlineExceeded,
                "the request was not complete within \(limits.requestTimeout)",
                retry: isSubmission ? later : nil)
        case .connectionAged:
            error(
                .unavailable, isSubmission ? .notSealed : .unavailable,
                "the connection is closed for its age: open another one", retry: .milliseconds(1))
        case .resets:
            error(
                .unavailable, .overloaded, "the connection has reset too many calls", retry: later)
        case .cutOff:
            error(.unavailable, .unavailable, "the call was cut off")
        }
    }
}

extension RefusalStatus {
    /// The same as trailers have it.
    ///
    /// A call that was cut off may have done anything: its status has no ErrorInfo, which says so.
    package init(_ refusal: Refusal, of shape: CallShape?, limits: EdgeLimits) {
        if refusal == .cutOff {
            self.init(
                code: RPCError.Code.unavailable.rawValue,
                message: "the call was cut off before its end was known")
            return
        }
        self.init(.refused(refusal, of: shape, limits: limits))
    }

    /// An error as the library would send it.
    package init(_ error: LedgerRPCError) {
        var details: String?
        for case .binary(let bytes) in error.rpcErrorMetadata.map(\.value) {
            details = Base64.encode(bytes)
        }
        self.init(code: error.code.rawValue, message: error.message, details: details)
    }
}
