public import LedgerVerify

/// What the service says to prove that an event is in the tree of a size. That the path leads from leaf to root was
/// checked; that the root is the ledger's, only a checkpoint shows.
public struct InclusionReport: Sendable, Hashable {
    /// The path.
    public var proof: InclusionProof

    /// The event's leaf in the tree: compare it with `SealedEntry.leafHash`.
    public var leafHash: LedgerHash

    /// The root of the tree: compare it with a checkpoint's.
    public var rootHash: LedgerHash
}

/// What the service says to prove that a tree is the beginning of a later one. That the path leads to both roots was
/// checked; that the roots are the ledger's, only checkpoints show.
public struct ConsistencyReport: Sendable, Hashable {
    /// The path.
    public var proof: ConsistencyProof

    /// The root of the smaller tree.
    public var firstRoot: LedgerHash

    /// The root of the larger tree.
    public var secondRoot: LedgerHash
}
