/// An answer that was received whole.
struct HTTPAnswer: Sendable {
    var status: Int
    /// The `Date` header in seconds since 1970.
    var date: Int64?
    var body: [UInt8]
}

/// How a transfer failed.
struct TransferFailure: Error, Sendable, Hashable {
    enum Reason: Sendable, Hashable {
        /// libcurl's own code.
        case curl(Int)
        case deadline
        case cancelled
        case shutDown
        /// The answer is longer than allowed.
        case answerTooLong
    }

    var reason: Reason
    /// Whether libcurl was given any part of the body: only when it was not is it certain that
    /// etcd cannot have acted.
    var bodyWasOffered: Bool
    var message: String
}
