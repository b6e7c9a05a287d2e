import GRPCCore
import LedgerAPI

/// What ends a call before its work is done.
package enum CallEnding: Hashable, Sendable {
    /// The time that the caller gave (`grpc-timeout`) has passed.
    case deadline
    /// The caller has cancelled the call, or its connection is gone.
    case cancelled
    /// The replica stops.
    case stopping

    /// What the caller is told, if it still listens.
    package var error: LedgerRPCError {
        switch self {
        case .deadline:
            LedgerRPCError(
                .deadlineExceeded, .deadlineExceeded,
                "the call's deadline has passed; answers given before stand")
        case .cancelled:
            LedgerRPCError(.cancelled, .cancelled, "the caller has ended the call")
        case .stopping: .stopping()
        }
    }
}
