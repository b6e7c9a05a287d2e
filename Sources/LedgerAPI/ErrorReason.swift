/// The `reason` of the ErrorInfo that every error of the service carries, and of a stream's rejection.
package enum ErrorReason: String, Sendable, CaseIterable {
    /// The submitted event breaks a limit or rule of its fields: not sealed.
    case invalidEvent = "INVALID_EVENT"
    /// More was submitted than can be sealed in time: not sealed.
    case overloaded = "OVERLOADED"
    /// etcd has no space left: not sealed.
    case storageFull = "STORAGE_FULL"
    /// The event was not sealed and this submission never will be.
    case notSealed = "NOT_SEALED"
    /// The event_id is sealed with other content.
    case conflictingEvent = "CONFLICTING_EVENT"
    /// The event_id is sealed with the same content.
    case duplicateEvent = "DUPLICATE_EVENT"
    /// No caller was authenticated where one is required.
    case notAuthenticated = "NOT_AUTHENTICATED"
    /// The authenticated caller may not do this.
    case notAllowed = "NOT_ALLOWED"
    /// `veps_signature` was made by none of the configured keys.
    case badSignature = "BAD_SIGNATURE"
    /// The store was rolled back; an operator has to decide.
    case ledgerRolledBack = "LEDGER_ROLLED_BACK"
    /// The event may have been sealed: submit the same event again.
    case outcomeUnknown = "OUTCOME_UNKNOWN"
    /// There is no such event, id, checkpoint or service.
    case notFound = "NOT_FOUND"
    /// Stored bytes contradict each other.
    case corrupt = "CORRUPT"
    /// The range ends beyond the head.
    case outOfRange = "OUT_OF_RANGE"
    /// A field of the request breaks a rule.
    case invalidArgument = "INVALID_ARGUMENT"
    /// The newest checkpoint does not cover the event yet.
    case notYetCovered = "NOT_YET_COVERED"
    /// No replica has a key to sign checkpoints with.
    case noSigningKey = "NO_SIGNING_KEY"
    /// The call is not offered here.
    case unimplemented = "UNIMPLEMENTED"
    /// The replica is shutting down.
    case stopping = "STOPPING"
    /// A read cannot be answered now, for example without a quorum of etcd.
    case unavailable = "UNAVAILABLE"
    /// A call did not end within the caller's deadline; for an event, see `notSealed` and `outcomeUnknown`.
    case deadlineExceeded = "DEADLINE_EXCEEDED"
    /// The caller has ended the call.
    case cancelled = "CANCELLED"
    /// The service broke a rule of its own.
    case internalError = "INTERNAL"

    /// The ErrorInfo domain of every error of the service.
    package static let domain = "ledger"
}
