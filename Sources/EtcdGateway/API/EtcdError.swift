/// What is known of a request that did not succeed.
package enum EtcdFailureClass: String, Hashable, Sendable {
    /// No byte of the request's body left this process: it was certainly not applied.
    case notSent = "not_sent"
    /// etcd refused this transmission and did not apply it. Another transmission of the same
    /// transaction may still have been applied.
    case rejected
    /// The request may or may not have been applied.
    case unknown
    /// etcd answered 200 with something that cannot be understood whole. For a write this says
    /// no more than `unknown` does: it must be resolved in the same way.
    case corrupt
}

/// What went wrong.
package enum EtcdErrorCode: String, Hashable, Sendable {
    /// The deadline passed.
    case timeout
    /// The task that waited was cancelled.
    case cancelled
    /// No connection could be made: name resolution, TCP.
    case connect
    /// No connection could be made: certificates or TLS.
    case tls
    /// An established connection broke before the whole answer was read.
    case connectionLost
    /// etcd is out of space (429). The transaction may have been applied all the same.
    case noSpace
    /// The user name, the password or the token is refused.
    case unauthenticated
    /// The user may not touch one of the keys.
    case permissionDenied
    /// etcd does not accept the request as it is.
    case invalidArgument
    /// The revision asked for is compacted or lies in the future.
    case outOfRange
    /// What the request names does not exist, a lease for example.
    case notFound
    /// etcd cannot answer now: no quorum, no leader, overload.
    case unavailable
    /// The request is longer than etcd takes, or the answer longer than is read here.
    case tooLarge
    /// An answer that is not what etcd sends.
    case malformedAnswer
    /// Too many requests are under way and wait here, of this kind or for a connection; this one was not sent.
    case busy
    /// The client was shut down.
    case shutDown
    /// The settings cannot work: no endpoint, an unreadable file.
    case configuration
}

/// Why a call to etcd failed, and what that means for a write.
///
/// Neither the message nor any other field holds keys, values, tokens or passwords.
package struct EtcdError: Error, Sendable, CustomStringConvertible {
    package var failureClass: EtcdFailureClass
    package var code: EtcdErrorCode
    /// The status of etcd's answer, where there was one.
    package var httpStatus: Int?
    /// The gRPC code in etcd's answer, where there was one.
    package var grpcCode: Int?
    /// For the log, not for callers.
    package var message: String
    /// The member that was spoken to last.
    package var endpoint: EtcdEndpoint?
    /// The error below this one, where there is one.
    package var cause: (any Error)?

    package init(
        failureClass: EtcdFailureClass, code: EtcdErrorCode, httpStatus: Int? = nil,
        grpcCode: Int? = nil, message: String, endpoint: EtcdEndpoint? = nil,
        cause: (any Error)? = nil
    ) {
        self.failureClass = failureClass
        self.code = code
        self.httpStatus = httpStatus
        self.grpcCode = grpcCode
        self.message = message
        self.endpoint = endpoint
        self.cause = cause
    }

    package var description: String {
        var text = "\(failureClass.rawValue)/\(code.rawValue): \(message)"
        if let httpStatus { text += " (HTTP \(httpStatus), code \(grpcCode ?? -1))" }
        if let endpoint { text += " at \(endpoint.hostPort)" }
        return text
    }
}
