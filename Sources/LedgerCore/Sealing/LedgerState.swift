/// What a replica knows of the ledger up to one head: enough to seal the next event and to find any sealed one.
///
/// Invariant: the id index and the tiles cover exactly the numbers 1 to `head.sequence`, and `revision`,
/// `headBytes` and `format` were read in one answer with that head. formats.md, "Why a duplicate cannot slip in", rests on
/// it: a transaction that compares this head proves that no event exists which the index has not seen.
package struct LedgerState: Sendable {
    package private(set) var revision: Revision
    package private(set) var head: Head
    package private(set) var headBytes: [UInt8]
    package private(set) var format: LedgerFormat
    package private(set) var index: IdIndex
    package private(set) var tiles: TileStack

    /// The state of an empty ledger.
    ///
    /// - Parameter indexSeed: of the id index; a random number.
    package init(indexSeed: UInt64) {
        revision = .absent
        head = .empty
        headBytes = []
        format = .one
        index = IdIndex(seed: indexSeed)
        tiles = TileStack()
    }

    /// A state that was read from the store.
    ///
    /// - Parameters:
    ///   - lastEventHash: the hash of the last event that was read, nil for an empty ledger.
    /// - Throws: `LedgerInconsistency` when the parts do not add up to the observed head.
    package init(
        observation: LedgerObservation, index: IdIndex, tiles: TileStack, lastEventHash: EventHash?
    ) throws(LedgerInconsistency) {
        revision = observation.revision
        head = observation.head
        headBytes = observation.headBytes
        format = observation.format
        self.index = index
        self.tiles = tiles
        try checkCovers(observation.head, lastEventHash: lastEventHash ?? .zero)
    }

    /// The observation under which this state was reached.
    package var observation: LedgerObservation {
        LedgerObservation(
            revision: revision, head: head, headBytes: headBytes, format: format)
    }

    /// Takes over a batch that this replica sealed in the transaction of `revision`.
    package mutating func adopt(_ proposal: Proposal, revision: Revision) {
        precondition(proposal.base.head.sequence == head.sequence, "a batch built on another head")
        for (offset, record) in proposal.records.enumerated() {
            index.append(record.fingerprint, startsBlock: offset == 0)
        }
        tiles = proposal.tiles
        head = proposal.head
        headBytes = proposal.headBytes
        self.revision = revision
    }

    /// The ledger was given a later format, and nothing else: there is nothing to read.
    mutating func adopt(_ format: LedgerFormat) {
        precondition(format > self.format, "a ledger's format never goes back")
        self.format = format
    }

    /// Follows blocks that others sealed, up to an observed head.
    ///
    /// The state is changed only when the head was reached whole: blocks are taken in order until one ends at
    /// the observed head's number, and later ones, sealed since, are left for the next observation.
    ///
    /// - Throws: `LedgerInconsistency` when a block does not continue the chain, or the chain does not lead to
    ///   the observed head.
    package mutating func follow(
        _ blocks: [BlockDigest], to observation: LedgerObservation
    ) throws(LedgerInconsistency) {
        var number = head.sequence.rawValue
        var hash = head.eventHash
        var timestamp = head.sealedTimestamp
        var tiles = self.tiles
        var taken = 0
        for block in blocks where number < observation.head.sequence.rawValue {
            guard block.first.rawValue == number + 1 else {
                throw .missingBlock(SequenceNumber(rawValue: number + 1))
            }
            guard block.previousHash == hash, block.firstTimestamp >= timestamp else {
                throw .brokenChain(block.first)
            }
            for leaf in block.leaves { _ = tiles.append(leaf) }
            number = block.last.rawValue
            hash = block.lastEventHash
            timestamp = block.lastTimestamp
            taken += 1
        }
        let reached = observation.head
        guard number == reached.sequence.rawValue, hash == reached.eventHash,
            timestamp == reached.sealedTimestamp, tiles.frontier == reached.tree
        else { throw .doesNotLeadToHead(reached.sequence) }
        guard index.hasRoom(for: Int(reached.sequence.rawValue - index.count)) else {
            throw .malformed(IdIndex.isFull.message)
        }
        for block in blocks.prefix(taken) {
            for (offset, fingerprint) in block.fingerprints.enumerated() {
                index.append(fingerprint, startsBlock: offset == 0)
            }
        }
        self.tiles = tiles
        head = reached
        headBytes = observation.headBytes
        format = observation.format
        revision = observation.revision
    }

    private func checkCovers(_ head: Head, lastEventHash: EventHash) throws(LedgerInconsistency) {
        guard index.count == head.sequence.rawValue, tiles.size == head.sequence.rawValue else {
            throw .doesNotLeadToHead(head.sequence)
        }
        guard lastEventHash == head.eventHash, tiles.frontier == head.tree else {
            throw .doesNotLeadToHead(head.sequence)
        }
    }
}

/// Why what was read of the store is not one ledger.
package enum LedgerInconsistency: Error, Hashable, Sendable, CustomStringConvertible {
    /// No block begins at this number although the head lies beyond it.
    case missingBlock(SequenceNumber)
    /// The block at this number does not continue the chain.
    case brokenChain(SequenceNumber)
    /// The events up to this number do not produce the head that is stored.
    case doesNotLeadToHead(SequenceNumber)
    /// Stored bytes could not be decoded.
    case malformed(String)
    /// The store shows less, or something else, than this replica has seen sealed.
    case rolledBack(known: SequenceNumber, found: SequenceNumber)
    /// Somebody outside the store has seen more of this ledger than it has, or another past.
    case contradicted(by: OutsideRecord, found: SequenceNumber)
    /// A fence was found in the store: this reason was recorded, and no operator has decided since.
    case fenced(String)
    /// The key `format` says that a newer version writes this ledger: there may be nothing wrong with it.
    case unknownFormat(String)

    /// Whether the archive has what the store lacks: then nothing needs to be given up.
    package var archiveHasMore: Bool {
        guard case .contradicted(let record, let found) = self else { return false }
        return record.source == OutsideRecord.archive && !record.isContradicted
            && record.size > found.rawValue
    }

    package var description: String {
        switch self {
        case .missingBlock(let number):
            "no block begins at number \(number), although the head lies beyond it"
        case .brokenChain(let number):
            "the block at number \(number) does not continue the chain"
        case .doesNotLeadToHead(let number):
            "the events up to number \(number) do not produce the stored head"
        case .malformed(let what):
            "stored bytes could not be decoded: \(what)"
        case .rolledBack(let known, let found):
            "the ledger was sealed up to number \(known), but the store shows \(found) "
                + "or another event there: it was restored from an older copy"
        case .contradicted(let record, let found):
            record.size > found.rawValue
                ? "\(record.source) has seen \(record.size) events, but the ledger ends with number "
                    + "\(found): it was restored from an older copy"
                    + (archiveHasMore ? "; ledgerctl archive recover brings it back" : "")
                : "\(record.source) has seen other events up to number \(record.size) than the ledger "
                    + "has: it was restored from an older copy, or changed"
        case .fenced(let reason):
            reason
        case .unknownFormat(let found):
            "the ledger has format \"\(found)\", and this version knows formats up to "
                + "\"\(LedgerFormat.allCases.count)\": a newer version writes it, to which this replica "
                + "must be upgraded"
        }
    }
}
