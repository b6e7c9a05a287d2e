/// The batch that is to be sealed next, and what it is built on.
package struct BatchPlan: Sendable {
    package let id: UInt64
    package let submissions: [Submission]
    package let base: BatchBase
    /// Epoch milliseconds; never below the base's head.
    package let sealedTimestamp: Int64
    /// When the batch was put together: what it takes from here is what callers wait for.
    package let plannedAt: MonotonicInstant

    package init(
        id: UInt64, submissions: [Submission], base: BatchBase, sealedTimestamp: Int64,
        plannedAt: MonotonicInstant
    ) {
        self.id = id
        self.plannedAt = plannedAt
        self.submissions = submissions
        self.base = base
        self.sealedTimestamp = sealedTimestamp
    }
}

/// The part of the ledger's state that the next batch continues. Copying it shares storage.
package struct BatchBase: Sendable {
    package let revision: Revision
    package let head: Head
    package let headBytes: [UInt8]
    package let format: LedgerFormat
    package let tiles: TileStack
    package let openSegment: IdSegment

    package init(_ state: LedgerState) {
        revision = state.revision
        head = state.head
        headBytes = state.headBytes
        format = state.format
        tiles = state.tiles
        openSegment = state.index.openSegment
    }
}

/// One sealing transaction's content: everything that it puts, computed from a plan without any I/O
/// (formats.md, "Keys in etcd").
///
/// A proposal never changes: what is sent a second time is the identical transaction.
package struct Proposal: Sendable {
    /// One event of the batch as it will stand in the ledger.
    package struct Record: Sendable {
        package let token: SubmissionToken
        package let seal: Seal
        package let fingerprint: Fingerprint
    }

    package let id: UInt64
    package let base: BatchBase
    package let first: SequenceNumber
    package let records: [Record]
    /// Of the events in the batch.
    package let fingerprints: Set<Fingerprint>
    /// The value of `events/<first>`.
    package let block: [UInt8]
    package let head: Head
    package let headBytes: [UInt8]
    package let tiles: TileStack
    /// The tiles that this batch completes.
    package let completedTiles: [Tile]
    /// The ids segment that this batch completes: its number and its value.
    package let completedSegment: (number: UInt64, value: [UInt8])?

    /// Hashes and links the plan's events, extends the tree and the id segment.
    ///
    /// Costs about two SHA-256 an event and is therefore done outside the state machine.
    package init(_ plan: BatchPlan) {
        precondition(!plan.submissions.isEmpty, "a batch without events")
        id = plan.id
        base = plan.base
        first = plan.base.head.sequence.next
        var records: [Record] = []
        records.reserveCapacity(plan.submissions.count)
        var block: [UInt8] = []
        block.reserveCapacity(
            plan.submissions.reduce(0) { $0 + $1.template.byteCount + Block.lengthByteCount })
        var tiles = plan.base.tiles
        var completedTiles: [Tile] = []
        var segment = plan.base.openSegment
        var completedSegment: (number: UInt64, value: [UInt8])?
        var previous = plan.base.head.eventHash
        var number = first
        for (offset, submission) in plan.submissions.enumerated() {
            let entry = submission.template.bytes(
                sequenceNumber: number, sealedTimestamp: plan.sealedTimestamp,
                previousHash: previous)
            let eventHash = Digest.sha256(entry)
            Block.append(entry, to: &block)
            completedTiles += tiles.append(MerkleTree.leafHash(of: entry))
            segment.append(submission.fingerprint, startsBlock: offset == 0)
            if segment.isFull {
                completedSegment = (segment.number, segment.bytes)
                segment = IdSegment(number: segment.number + 1)
            }
            let seal = Seal(
                sequenceNumber: number, eventHash: eventHash, previousHash: previous,
                sealedTimestamp: plan.sealedTimestamp)
            records.append(
                Record(token: submission.token, seal: seal, fingerprint: submission.fingerprint))
            previous = eventHash
            number = number.next
        }
        self.records = records
        fingerprints = Set(records.lazy.map(\.fingerprint))
        self.block = block
        self.tiles = tiles
        self.completedTiles = completedTiles
        self.completedSegment = completedSegment
        head = Head(
            sequence: number.previous, eventHash: previous,
            sealedTimestamp: plan.sealedTimestamp, tree: tiles.frontier)
        headBytes = head.encodedJSON()
    }
}
