/// The reasons that the service gives in an ErrorInfo of domain `ledger`, or in a stream's rejection.
package enum LedgerReason: String, Sendable, CaseIterable {
    case invalidEvent = "INVALID_EVENT"
    case overloaded = "OVERLOADED"
    case storageFull = "STORAGE_FULL"
    case notSealed = "NOT_SEALED"
    case duplicateEvent = "DUPLICATE_EVENT"
    case conflictingEvent = "CONFLICTING_EVENT"
    case notAuthenticated = "NOT_AUTHENTICATED"
    case notAllowed = "NOT_ALLOWED"
    case badSignature = "BAD_SIGNATURE"
    case ledgerRolledBack = "LEDGER_ROLLED_BACK"
    case outcomeUnknown = "OUTCOME_UNKNOWN"
    case notFound = "NOT_FOUND"
    case corrupt = "CORRUPT"
    case noSigningKey = "NO_SIGNING_KEY"
    case notYetCovered = "NOT_YET_COVERED"

    /// The domain of every ErrorInfo that the service makes.
    package static let domain = "ledger"
}
