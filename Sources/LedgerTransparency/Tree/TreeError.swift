package import LedgerStore

/// Why a root, a proof or a tile cannot be given.
package struct TreeError: Error, Sendable, CustomStringConvertible {
    /// What the asker can do about it.
    package enum Code: Hashable, Sendable {
        /// The tree has not been read yet.
        case notLoaded
        /// The tree has no such size or leaf, up to the size that this replica covers.
        case outOfRange
        /// etcd did not answer, or the wait was cancelled: nothing is known.
        case unavailable
        /// What is stored is not the tree that this replica knows: DATA_LOSS/`CORRUPT` to callers (api.md, "Reading").
        case corrupt
    }

    package let code: Code
    /// For callers: names sizes and tiles, never stored bytes.
    package let message: String
    package let cause: LedgerStoreError?

    package init(_ code: Code, _ message: String, cause: LedgerStoreError? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    init(_ cause: LedgerStoreError) {
        switch cause.code {
        case .unavailable, .unsupportedFormat, .archive:
            self.init(.unavailable, "\(cause)", cause: cause)
        case .inconsistent(let reason): self.init(.corrupt, "\(reason)", cause: cause)
        }
    }

    package var description: String { "\(code): \(message)" }
}
