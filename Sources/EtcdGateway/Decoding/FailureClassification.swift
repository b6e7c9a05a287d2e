internal import HTTPTransport
import TextFormats

/// What a failed request means: for the write, and for the member that was asked.
enum FailureClassification {
    /// Whatever is not certainly harmless is `unknown`.
    static func error(for failure: TransferFailure, endpoint: EtcdEndpoint) -> EtcdError {
        EtcdError(
            failureClass: failure.wasOffered ? .unknown : .notSent,
            code: failure.reason == .poolFull ? .busy : code(for: failure.kind),
            message: failure.message, endpoint: endpoint, cause: failure)
    }

    /// Reads an answer other than 200. Only a parsed 400, 401 or 403 says that this transmission
    /// was not applied. 429 does not: etcd checks its quota again while it applies, applies, and
    /// then refuses.
    static func error(
        for answer: HTTPAnswer, operation: EtcdCall.Operation, endpoint: EtcdEndpoint
    ) -> EtcdError {
        if let text = commonNameRefusal(answer) {
            return EtcdError(
                failureClass: .rejected, code: .unauthenticated, httpStatus: answer.status,
                message: text, endpoint: endpoint)
        }
        guard let refusal = try? GatewayRefusal(answer.body) else {
            return EtcdError(
                failureClass: .unknown,
                code: answer.status >= 500 || answer.status == 429
                    ? .unavailable : .malformedAnswer,
                httpStatus: answer.status, message: "an answer that is not etcd's",
                endpoint: endpoint)
        }
        var isCertain = [400, 401, 403].contains(answer.status)
        if operation.isRead {
            // A login where RBAC is off is 412 in etcd 3.4.
            isCertain = (400..<500).contains(answer.status) && answer.status != 429
        } else if answer.status == 404 {
            // An unknown lease, on calls that do nothing but look for it.
            isCertain = operation == .leaseRevoke || operation == .leaseKeepAlive
        }
        return EtcdError(
            failureClass: isCertain ? .rejected : .unknown,
            code: code(for: refusal, status: answer.status), httpStatus: answer.status,
            grpcCode: refusal.code, message: String(refusal.message.prefix(200)),
            endpoint: endpoint)
    }

    /// What the gateway says, before it looks at a request, to a client certificate with a CommonName where etcd has
    /// users; in plain text.
    private static func commonNameRefusal(_ answer: HTTPAnswer) -> String? {
        guard answer.status == 400, answer.body.starts(with: "CommonName of client".utf8) else {
            return nil
        }
        let text = String(decoding: answer.body.prefix(200), as: UTF8.self)
        return text.split(whereSeparator: \.isNewline).first.map { String($0) }
    }

    /// A 200 that could not be read. For a write, nobody knows what it meant to say.
    static func error(
        for failure: JSONFailure, endpoint: EtcdEndpoint
    ) -> EtcdError {
        EtcdError(
            failureClass: .corrupt, code: .malformedAnswer, httpStatus: 200,
            message: "at byte \(failure.offset) of the answer: \(failure.reason)",
            endpoint: endpoint, cause: failure)
    }

    private static func code(for kind: TransferFailure.Kind) -> EtcdErrorCode {
        switch kind {
        case .timeout: .timeout
        case .cancelled: .cancelled
        case .shutDown: .shutDown
        case .answerTooLong: .tooLarge
        case .malformedRequest: .invalidArgument
        case .tls: .tls
        case .connect: .connect
        case .connectionLost: .connectionLost
        case .noMemory: .unavailable
        }
    }

    private static func code(for refusal: GatewayRefusal, status: Int) -> EtcdErrorCode {
        switch refusal.code {
        case 1: .cancelled
        case 3 where refusal.message.contains("too large"): .tooLarge
        case 3 where refusal.concernsLogin: .unauthenticated
        case 3, 9: .invalidArgument
        case 4: .timeout
        case 5: .notFound
        case 7: .permissionDenied
        case 8 where refusal.message.contains("space exceeded"): .noSpace
        case 8 where refusal.message.contains("larger than max"): .tooLarge
        case 11: .outOfRange
        case 16: .unauthenticated
        default: .unavailable
        }
    }
}

/// The body of an answer in which etcd refuses.
struct GatewayRefusal: Hashable {
    /// The gRPC code.
    var code: Int
    var message: String

    /// Whether a new token may help. etcd answers 400 to a token made before its users changed,
    /// and to no token at all.
    var concernsLogin: Bool {
        message.contains("revision of auth store is old") || message.contains("user name is empty")
            || message.contains("authentication failed")
    }

    init(_ body: [UInt8]) throws(JSONFailure) {
        var reader = JSONReader(body)
        var code: Int64?
        var message: String?
        try reader.object { name, reader throws(JSONFailure) in
            switch name {
            case "code": code = try reader.integer()
            // etcd 3.4 has the text twice, as `error` and as `message`; 3.6 has `message` only.
            case "error", "message": message = try reader.string()
            default: try reader.skip()
            }
        }
        try reader.end()
        guard let code, let message else { throw reader.failure("no code or no message") }
        self.code = Int(code)
        self.message = message
    }
}
