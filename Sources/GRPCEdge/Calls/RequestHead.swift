import NIOHPACK

/// A call's request headers, as the gRPC library is to see them.
///
/// The library takes headers for granted that anybody can send otherwise: a negative `grpc-timeout` ends the process. So it
/// is handed the few that are needed, each checked, and nothing else.
package struct RequestHead {
    /// What the caller's headers come to.
    enum Verdict {
        case accepted(RequestHead)
        case refused(Refusal, CallShape?)
        /// Not gRPC at all: the library answers with an HTTP status.
        case foreign
    }

    /// The caller's `grpc-timeout` under a name of our own: the library would start a second deadline beside ours.
    package static let timeoutName = "ledger-timeout"
    /// When the request was there, see `LoopClock`.
    package static let arrivalName = "ledger-arrived-at"

    let path: String
    let shape: CallShape
    let isCompressed: Bool
    /// The value of `grpc-timeout`.
    let timeout: String?
    /// When the request was there, in nanoseconds.
    let arrival: UInt64
    /// By what its lines in the log are found; nil where that is not kept.
    let context: CallContext?
    private let received: HPACKHeaders

    private static let handedOn: Set<String> = [
        ":method", ":scheme", ":path", ":authority", "te", "user-agent",
        "traceparent", "tracestate",
    ]

    /// - Parameter arrival: the moment that is handed on as `arrivalName`, in nanoseconds.
    static func check(
        _ headers: HPACKHeaders, arrival: UInt64, context: CallContext? = nil,
        _ configuration: EdgeConfiguration
    ) -> Verdict {
        guard isGRPC(headers) else { return .foreign }
        var byteCount = 0
        var path: String?
        var method: String?
        var scheme: String?
        var timeouts: [String] = []
        var encodings: [String] = []
        for (name, value, _) in headers {
            byteCount += name.utf8.count + value.utf8.count + 32
            switch name {
            case ":path": path = value
            case ":method": method = value
            case ":scheme": scheme = value
            case "grpc-timeout": timeouts.append(value)
            case "grpc-encoding": encodings.append(value)
            default: break
            }
        }
        let shape = path.flatMap { configuration.shapes[$0] }
        guard byteCount <= configuration.limits.maxMetadataBytes else {
            return .refused(.metadataTooLarge, shape)
        }
        guard let path, method == "POST", scheme == "http" || scheme == "https" else {
            return .refused(.malformedHeaders, shape)
        }
        guard let shape else { return .refused(.unknownMethod, nil) }
        guard timeouts.count < 2, timeouts.allSatisfy(configuration.acceptsTimeout) else {
            return .refused(.malformedTimeout, shape)
        }
        guard encodings.count < 2, encodings.allSatisfy(isKnown) else {
            return .refused(.unknownEncoding, shape)
        }
        return .accepted(
            RequestHead(
                path: path, shape: shape, isCompressed: encodings.contains { $0 != "identity" },
                timeout: timeouts.first, arrival: arrival, context: context, received: headers))
    }

    /// The headers that the library is handed.
    func handedOn(_ configuration: EdgeConfiguration) -> HPACKHeaders {
        var kept = HPACKHeaders()
        kept.reserveCapacity(10)
        kept.add(name: "content-type", value: "application/grpc")
        for (name, value, _) in received
        where Self.handedOn.contains(name) || configuration.furtherHeaders.contains(name) {
            kept.add(name: name, value: value)
        }
        if let timeout { kept.add(name: Self.timeoutName, value: timeout) }
        kept.add(name: Self.arrivalName, value: String(arrival))
        if let context { kept.add(name: CallContext.handedOnName, value: context.requestID) }
        if let span = context?.recording?.recorder.traceParent {
            kept.add(name: CallContext.spanName, value: span)
        }
        return kept
    }

    /// The first header of each of these names.
    func further(_ names: Set<String>) -> [String: String] {
        var found: [String: String] = [:]
        for (name, value, _) in received where names.contains(name) && found[name] == nil {
            found[name] = value
        }
        return found
    }

    /// The encodings that a call may name.
    static let acceptedEncodings = "identity,deflate,gzip"

    private static func isKnown(_ encoding: String) -> Bool {
        encoding == "identity" || encoding == "gzip" || encoding == "deflate"
    }

    private static func isGRPC(_ headers: HPACKHeaders) -> Bool {
        guard let type = headers.first(name: "content-type") else { return false }
        let name = "application/grpc"
        guard type.hasPrefix(name) else { return false }
        // `application/grpc`, `application/grpc+proto`, `application/grpc; charset=utf-8`
        return type.dropFirst(name.count).first.map { $0 == "+" || $0 == ";" } ?? true
    }
}
