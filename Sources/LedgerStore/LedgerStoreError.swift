package import EtcdGateway
package import LedgerCore

/// Why the ledger could not be read.
package struct LedgerStoreError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        /// etcd did not answer, or not in time: nothing is known.
        case unavailable
        /// What is stored, or what was answered, is no ledger.
        case inconsistent(LedgerInconsistency)
        /// The `format` key says that another version wrote this ledger.
        case unsupportedFormat(String)
        /// What is wanted has left etcd, and the archive did not answer with it.
        case archive(ArchiveTrouble)
    }

    package var code: Code
    package var cause: EtcdError?

    package init(_ code: Code, cause: EtcdError? = nil) {
        self.code = code
        self.cause = cause
    }

    package static func unavailable(_ cause: EtcdError) -> Self {
        Self(.unavailable, cause: cause)
    }

    package static func inconsistent(_ reason: LedgerInconsistency) -> Self {
        Self(.inconsistent(reason))
    }

    package static func archive(_ trouble: ArchiveTrouble) -> Self {
        Self(.archive(trouble))
    }

    package var description: String {
        switch code {
        case .unavailable:
            "etcd is not available: \(cause.map(String.init(describing:)) ?? "no answer")"
        case .inconsistent(let reason):
            "the stored ledger is inconsistent: \(reason)"
        case .unsupportedFormat(let found):
            "\(LedgerInconsistency.unknownFormat(found))"
        case .archive(let trouble): "\(trouble)"
        }
    }
}

extension LedgerStoreError {
    /// Whether too many reads were under way already.
    package var isBusy: Bool { cause?.code == .busy }

    /// Whether asking once more, in another way, is of no use: the read was cancelled, or is one too many.
    package var isFinal: Bool {
        isBusy || cause?.code == .cancelled || cause?.code == .shutDown
    }

    /// What a submission is told while this keeps counter and head from being read. Where etcd does not let this replica
    /// in, nothing can be said of its quorum.
    package var notSealedReason: NotSealedReason {
        switch cause?.code {
        case .unauthenticated, .permissionDenied, .invalidArgument, .tls, .configuration:
            .storeUnavailable
        case .busy: .overloaded(retryAfter: SealingSettings.busyDelay)
        default: .noQuorum
        }
    }

    /// Whether less might have been answered: the answer was too long, or did not come in time. etcd that cannot be
    /// reached, or that refuses, is another matter.
    var mayBeTooLarge: Bool {
        guard let cause else { return false }
        return cause.code == .tooLarge
            || (cause.code == .timeout && cause.failureClass != .notSent)
    }
}
