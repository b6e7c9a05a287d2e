package import LedgerCore

/// That a leaf is in a tree; it has been verified.
package struct VerifiedInclusion: Hashable, Sendable {
    /// The leaf's index: its sequence number minus one.
    package let index: UInt64
    package let size: UInt64
    package let leaf: Digest
    /// Leaf to root.
    package let path: [Digest]
    /// Of the tree of `size`.
    package let root: Digest
}

/// That one tree is the beginning of another; it has been verified.
package struct VerifiedConsistency: Hashable, Sendable {
    /// None where the two have one size.
    package let path: [Digest]
    package let firstRoot: Digest
    package let secondRoot: Digest
}
