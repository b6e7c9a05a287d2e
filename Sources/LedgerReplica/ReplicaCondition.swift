package import LedgerCore

/// What decides whether this replica seals and serves, for health and readiness: what a submission would be told now.
package struct ReplicaCondition: Equatable, Sendable {
    /// The newest number that can be read here.
    package var number: SequenceNumber
    /// What a submission would be told here; nil where it would be sealed.
    package var obstacle: NotSealedReason?
    package var fence: LedgerInconsistency?
    /// Whether counter and head could not be read when that was tried last.
    package var isUnreadable: Bool
    package var isLoading: Bool
    /// The release of a member for which nothing is sealed.
    package var refusedRelease: String?
    /// What is submitted here goes to another replica.
    package var isForwarding: Bool
    /// Whether this replica holds the hint.
    package var isSealer: Bool
    /// While loading: up to which number one member's copy is read.
    package var provisional: SequenceNumber?
    /// While loading: how far that has come.
    package var loading: LoadingProgress?
}
