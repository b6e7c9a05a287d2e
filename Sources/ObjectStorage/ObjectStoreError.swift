/// Why an object store did not do what it was asked for.
package struct ObjectStoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The raw values are labels of metrics.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The credentials or the file's permissions do not allow it, or there are no credentials.
        case notAllowed = "not_allowed"
        /// The bucket or the folder does not exist; stores never make it.
        case noSuchBucket = "no_such_bucket"
        /// An object is longer than the caller takes, or than the store does.
        case tooLarge = "too_large"
        /// It cannot be reached, or says that it cannot answer now.
        case unavailable
        case timedOut = "timed_out"
        /// An answer that breaks the protocol.
        case invalidAnswer = "invalid_answer"
        case invalidName = "invalid_name"
        /// A setting has to be changed: the message says which.
        case configuration
        /// No space, or a quota is used up.
        case full
        /// The store finds this machine's clock, or its own, too far off.
        case clockSkew = "clock_skew"
        /// The caller's task was cancelled, or the store was shut down.
        case cancelled
    }

    package var kind: Kind
    /// What happened and, where somebody must act, what to do. Without secrets and without anything of an object.
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// Whether the same call may succeed later without anybody's help.
    package var isRetryable: Bool {
        switch kind {
        case .unavailable, .timedOut, .invalidAnswer: true
        case .notAllowed, .noSuchBucket, .tooLarge, .invalidName, .configuration, .full,
            .clockSkew, .cancelled:
            false
        }
    }

    package var description: String { "\(kind.rawValue): \(message)" }
}
