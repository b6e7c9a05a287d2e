import LedgerCore

/// The hashes which show that a tree is the beginning of a later one: nothing was changed between two checkpoints, only
/// added (RFC 6962, section 2.1.2).
public struct ConsistencyProof: Hashable, Sendable {
    /// How many events the smaller tree has; at least 1.
    public let firstSize: UInt64

    /// How many events the larger tree has.
    public let secondSize: UInt64

    /// The hashes; none for equal sizes.
    public let path: [LedgerHash]

    public init(firstSize: UInt64, secondSize: UInt64, path: [LedgerHash]) {
        self.firstSize = firstSize
        self.secondSize = secondSize
        self.path = path
    }

    /// Checks that the tree with the first root is the beginning of that with the second root.
    ///
    /// - Throws: `VerificationError` with `notConsistent`.
    public func verify(
        firstRoot: LedgerHash, secondRoot: LedgerHash
    ) throws(VerificationError) {
        guard firstSize >= 1, firstSize <= secondSize else {
            throw VerificationError(
                .notConsistent,
                "nothing can be shown of trees of \(firstSize) and \(secondSize) events")
        }
        // One hash more than an inclusion path, where the smaller tree is no node of the larger one.
        guard path.count <= InclusionProof.maxPathLength + 1,
            MerkleTree.verifyConsistency(
                first: firstSize, second: secondSize, firstRoot: firstRoot.digest,
                secondRoot: secondRoot.digest, path: path.map(\.digest))
        else {
            throw VerificationError(
                .notConsistent,
                "the path does not show that the first \(firstSize) of the \(secondSize) events "
                    + "with the root \(secondRoot) have the root \(firstRoot)")
        }
    }

    /// Checks that a checkpoint continues an earlier one.
    ///
    /// - Throws: `VerificationError` with `notConsistent`, also where the proof is for other sizes, and `wrongOrigin`
    ///   where the checkpoints are of two ledgers.
    public func verify(
        from first: SignedCheckpoint, to second: SignedCheckpoint
    ) throws(VerificationError) {
        guard first.origin.utf8.elementsEqual(second.origin.utf8) else {
            throw VerificationError(
                .wrongOrigin, "the checkpoints are of \(first.origin) and \(second.origin)")
        }
        guard first.size == firstSize, second.size == secondSize else {
            throw VerificationError(
                .notConsistent,
                "the proof is for \(firstSize) and \(secondSize) events, the checkpoints cover "
                    + "\(first.size) and \(second.size)")
        }
        try verify(firstRoot: first.rootHash, secondRoot: second.rootHash)
    }
}
