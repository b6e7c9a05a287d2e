import LedgerCore

/// Checks entries one after another: their numbers, how each is linked to the one before, that time does not go back;
/// and computes the root of the Merkle tree over them.
///
/// ```swift
/// var chain = ChainVerifier()
/// for bytes in exported { try chain.append(SealedEntry(decoding: bytes)) }
/// try chain.verify(checkpoint)        // these are all the events that the checkpoint covers
/// ```
///
/// It holds some 64 hashes, however many entries there are.
public struct ChainVerifier: Sendable {
    /// The number that the next entry must have.
    public private(set) var nextNumber: UInt64

    /// How many entries were accepted.
    public private(set) var count: UInt64 = 0

    /// The hash of the last entry; nil before the first one of a chain that begins in the middle.
    public private(set) var lastHash: LedgerHash?

    /// The time of the last entry; nil before the first one.
    public private(set) var lastTimestamp: Int64?

    /// The tree's right edge; nil where the chain begins in the middle.
    private var frontier: MerkleFrontier?

    /// Begins with the first event of a ledger.
    public init() {
        nextNumber = 1
        lastHash = .zero
        frontier = MerkleFrontier()
    }

    /// Begins with any number. Where that is not 1, what came before is not known: there is no root, and nothing shows
    /// what the first entry is linked to.
    public init(from first: UInt64) {
        nextNumber = max(first, 1)
        if first <= 1 {
            lastHash = .zero
            frontier = MerkleFrontier()
        }
    }

    /// Goes on behind entries that were checked already, without a tree.
    package init(after last: UInt64, hash: LedgerHash, timestamp: Int64?) {
        nextNumber = last + 1
        lastHash = hash
        lastTimestamp = timestamp
    }

    /// Checks the next entry.
    ///
    /// - Throws: `VerificationError` with `wrongNumber`, `linkBroken` or `timestampBackwards`; the chain is then where it
    ///   was before.
    public mutating func append(_ entry: SealedEntry) throws(VerificationError) {
        try append(entry, hash: entry.hash, leafHash: frontier == nil ? nil : entry.leafHash)
    }

    /// As `append(_:)`, for callers who have the hashes already.
    package mutating func append(
        _ entry: SealedEntry, hash: LedgerHash, leafHash: LedgerHash?
    ) throws(VerificationError) {
        let number = entry.sequenceNumber
        guard number == nextNumber else {
            throw VerificationError(
                .wrongNumber, "the entry with number \(number) stands where \(nextNumber) belongs")
        }
        if let lastHash, entry.previousHash != lastHash {
            throw VerificationError(
                .linkBroken,
                "entry \(number) follows an entry with the hash \(entry.previousHash), the one before "
                    + "it has \(lastHash)")
        }
        if let lastTimestamp, entry.sealedTimestamp < lastTimestamp {
            throw VerificationError(
                .timestampBackwards,
                "entry \(number) was sealed at \(entry.sealedTimestamp), the one before it at "
                    + "\(lastTimestamp)")
        }
        if let leafHash { frontier?.append(leafHash.digest) }
        lastHash = hash
        lastTimestamp = entry.sealedTimestamp
        // An entry's number is below 2^63.
        nextNumber = number + 1
        count += 1
    }

    /// The root of the tree over all entries so far; nil where the chain did not begin with the first event.
    public var rootHash: LedgerHash? { frontier.map { LedgerHash($0.root) } }

    /// Checks that the entries so far are all those that a checkpoint covers.
    ///
    /// - Throws: `VerificationError` with `incomplete` where the number of entries is another one, `wrongRoot` where
    ///   the root is.
    public func verify(_ checkpoint: SignedCheckpoint) throws(VerificationError) {
        guard let rootHash else {
            throw VerificationError(
                .incomplete, "the entries do not begin with number 1, so they give no root")
        }
        guard nextNumber - 1 == checkpoint.size else {
            throw VerificationError(
                .incomplete,
                "the checkpoint covers \(checkpoint.size) events, the entries end with number "
                    + "\(nextNumber - 1)")
        }
        guard rootHash == checkpoint.rootHash else {
            throw VerificationError(
                .wrongRoot,
                "the \(checkpoint.size) entries give the root \(rootHash), the checkpoint has "
                    + "\(checkpoint.rootHash)")
        }
    }
}
