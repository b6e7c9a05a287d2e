/// What has happened: everything that the core learns. Each is sent once, with the moment at which it happened.
package enum ReplicaEvent: Sendable {
    // Callers
    /// A caller submits an event, or another replica has forwarded it.
    case submitted(Submission)
    /// The caller of a stream submits these, in this order.
    case streamed([Submission])
    /// Another replica has forwarded these, in this order.
    case forwarded([Submission])
    /// Nobody waits for these any more.
    case cancelled([SubmissionToken])

    // Life
    /// Time has passed.
    case tick
    /// Others can reach this replica from now on.
    case joined(as: SealerHint)
    /// The replica is to stop soon: it hands the hint over to the replica that is named, or gives it back, and goes on
    /// serving.
    case leaving(to: SealerHint?)
    /// Nothing new is accepted any more; what was accepted is answered.
    case stopping

    // The ledger
    /// The ledger was read; with a fence, where its past is not the one that somebody outside the store knows.
    case loaded(LedgerState, fence: LedgerInconsistency? = nil)
    /// The ledger could not be read because it contradicts itself.
    case loadingFailed(LedgerInconsistency)
    /// Somebody read counter and head, while `knownBefore` was this replica's head already when the read began.
    case noticed(LedgerObservation, knownBefore: LedgerObservation)
    /// Somebody read the key `sealer`: with a head, in a failed comparison, or on demand.
    case noticedHint(HintReading)
    /// Somebody read counter and head, and they make no sense: they do not agree, or are no ledger's.
    case noticedMalformed(LedgerInconsistency)
    /// Something proves that the store is not the ledger that was sealed, or is of an unknown format.
    case contradicted(LedgerInconsistency)
    /// Counter and head cannot be read; callers are told that reason.
    case headUnreadable(NotSealedReason)
    /// etcd's members were asked how they are. `isFull` is whether one of them says that there is no space, nil where
    /// none answered; `releaseIsRefused` whether one runs a release that can lose what it has committed; `roomBytes`
    /// how much may be written before the reserve of the quota begins, nil where nothing new is known.
    case membersChecked(isFull: Bool?, releaseIsRefused: Bool, roomBytes: Int64? = nil)

    // Results of effects
    case proposed(Proposal)
    /// One transmission of a transaction has ended.
    case transmissionEnded(proposal: UInt64, TransmissionResult)
    case observed(ObservationID, ObservationResult)
    case blocksRead(CatchUpResult<[BlockDigest]>)
    /// The state at the observed head, with the block that begins right after the head known before.
    case reloaded(CatchUpResult<(LedgerState, BlockDigest)>)
    /// What comparing index hits by means of one block has found.
    case lookedUp(block: SequenceNumber?, [(SubmissionToken, LookUpResult)])
    /// What searching for a sealed event has found: under a number, or by its id where that is nil.
    case searched(SubmissionToken, under: SequenceNumber?, SearchResult)
    case hintRead(HintResult)
    case takeEnded(TakeAttempt, TakeResult)
    /// `asked` is when the renewal was asked for.
    case keptAlive(lease: Int64, KeepAliveResult, asked: MonotonicInstant)

    // Links
    /// The sealer welcomed this replica.
    case linkUp(LinkID)
    /// A link broke or was refused.
    case linkDown(LinkID, why: String)
    /// What the sealer answered.
    case answered(LinkID, [(SubmissionToken, ForwardOutcome)])
    /// The sealer has given its hint back: what it has it still seals, and its successor is sought.
    case farewell(LinkID)
}

/// Names one connection to a sealer.
package struct LinkID: Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// One attempt to take the hint, and on what it was based.
package struct TakeAttempt: Hashable, Sendable {
    package let number: UInt64
    package let at: MonotonicInstant
    /// The `mod_revision` that the hint must still have.
    package let hintRevision: Int64
    /// The one that the counter must still have, where the hint is taken from a living lease (protocol.md 18).
    package let counter: Revision?
}

/// How reading counter, head and hint ended.
package enum HintResult: Sendable {
    case success(HintReading, counter: Revision)
    case unavailable
}

/// How an attempt to take the hint ended.
package enum TakeResult: Sendable {
    /// The own hint stands under this lease.
    case taken(lease: Int64, HintReading)
    /// A comparison failed; this is what was seen instead.
    case lost(HintReading, counter: Revision)
    /// Nothing is known: it may have been put.
    case unknown
}

/// How renewing the lease ended.
package enum KeepAliveResult: Sendable {
    case renewed
    /// There is no such lease any more, and so the hint is gone.
    case expired
    case unknown
}

/// What a sealer answers to a forwarded event. Without the event's content: the forwarder has it (protocol.md 23).
package enum ForwardOutcome: Hashable, Sendable {
    case sealed(Seal)
    case duplicate(of: SequenceNumber)
    /// `differs` is empty where the sealer is of a version that does not say it.
    case conflicting(with: SequenceNumber, differs: ContentDifference)
    case notSealed(NotSealedReason)
    /// Refused before it was looked at: the receiver does not seal.
    case refused
    case unknown

    /// What a forwarder is told of an outcome: numbers and hashes, for it has the event itself.
    package init(_ outcome: SubmissionOutcome) {
        self =
            switch outcome {
            case .sealed(let seal, _): .sealed(seal)
            case .duplicate(let original): .duplicate(of: original.entry.sequenceNumber)
            case .conflicting(let number, let differs):
                .conflicting(with: number, differs: differs)
            case .notSealed(.notSealing): .refused
            case .notSealed(let reason): .notSealed(reason)
            case .unknown: .unknown
            }
    }

    /// The number of a sealed event that it names.
    var number: SequenceNumber? {
        switch self {
        case .sealed(let seal): seal.sequenceNumber
        case .duplicate(let number), .conflicting(let number, _): number
        case .notSealed, .refused, .unknown: nil
        }
    }

    /// Whether who says so must be able to seal. Who cannot may still reject.
    var showsLife: Bool { number != nil }
}

/// What looking for an event whose fate is open has found.
package enum SearchResult: Sendable {
    case found(SealedEntry)
    /// Not sealed up to a head that was read after the question; it may be sealed later.
    case absent
    case failed
}
