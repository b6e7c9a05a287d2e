import LedgerCore

/// The hashes that lead from an event to the root of a tree that has it (RFC 6962, section 2.1.1).
public struct InclusionProof: Hashable, Sendable {
    /// The longest path that can prove anything.
    static let maxPathLength = 64

    /// The event's number.
    public let sequenceNumber: UInt64

    /// How many events the tree has.
    public let treeSize: UInt64

    /// The hashes beside the way, leaf to root.
    public let path: [LedgerHash]

    public init(sequenceNumber: UInt64, treeSize: UInt64, path: [LedgerHash]) {
        self.sequenceNumber = sequenceNumber
        self.treeSize = treeSize
        self.path = path
    }

    /// Checks that the tree with this root has a leaf at the event's number.
    ///
    /// - Throws: `VerificationError` with `notIncluded`.
    public func verify(leafHash: LedgerHash, rootHash: LedgerHash) throws(VerificationError) {
        guard sequenceNumber >= 1, sequenceNumber <= treeSize else {
            throw VerificationError(
                .notIncluded,
                "a tree of \(treeSize) events has none with the number \(sequenceNumber)")
        }
        guard path.count <= Self.maxPathLength,
            MerkleTree.verifyInclusion(
                leaf: leafHash.digest, index: sequenceNumber - 1, size: treeSize,
                path: path.map(\.digest), root: rootHash.digest)
        else {
            throw VerificationError(
                .notIncluded,
                "the path does not lead from event \(sequenceNumber) to the root \(rootHash) of "
                    + "\(treeSize) events")
        }
    }

    /// Checks that a checkpoint covers an entry, at the number that the entry carries.
    ///
    /// - Throws: `VerificationError` with `wrongNumber`, `notIncluded`, or `wrongRoot` where the proof is for a tree of
    ///   another size.
    public func verify(
        _ entry: SealedEntry, in checkpoint: SignedCheckpoint
    ) throws(VerificationError) {
        guard entry.sequenceNumber == sequenceNumber else {
            throw VerificationError(
                .wrongNumber,
                "the entry has the number \(entry.sequenceNumber), the proof is for "
                    + "\(sequenceNumber)")
        }
        guard treeSize == checkpoint.size else {
            throw VerificationError(
                .wrongRoot,
                "the proof is for a tree of \(treeSize) events, the checkpoint covers "
                    + "\(checkpoint.size)")
        }
        try verify(leafHash: entry.leafHash, rootHash: checkpoint.rootHash)
    }
}
