/// What an event became when it was sealed.
package struct Seal: Hashable, Sendable {
    package let sequenceNumber: SequenceNumber
    package let eventHash: EventHash
    package let previousHash: EventHash
    /// Epoch milliseconds.
    package let sealedTimestamp: Int64

    package init(
        sequenceNumber: SequenceNumber, eventHash: EventHash, previousHash: EventHash,
        sealedTimestamp: Int64
    ) {
        self.sequenceNumber = sequenceNumber
        self.eventHash = eventHash
        self.previousHash = previousHash
        self.sealedTimestamp = sealedTimestamp
    }
}

/// A sealed event as it was read back, with its hash.
package struct SealedEntry: Hashable, Sendable {
    package let entry: Entry
    package let eventHash: EventHash

    package init(entry: Entry, eventHash: EventHash) {
        self.entry = entry
        self.eventHash = eventHash
    }
}

/// How one submission ended (design.md, "Outcomes"). Exactly one is given for each.
package enum SubmissionOutcome: Hashable, Sendable {
    /// It is sealed; `latency` is the time from receipt to commit.
    case sealed(Seal, latency: Nanoseconds)
    /// The same event had been sealed before.
    case duplicate(of: SealedEntry)
    /// The event_id is taken by another content; `differs` names the fields, and is empty where they are not known.
    case conflicting(with: SequenceNumber, differs: ContentDifference)
    /// This submission is not sealed and never will be.
    case notSealed(NotSealedReason)
    /// It was in a transaction whose fate is not known yet.
    case unknown
}

/// Why a submission was certainly not sealed.
package enum NotSealedReason: Hashable, Sendable {
    /// The queue is longer than what can be sealed in time.
    case overloaded(retryAfter: Nanoseconds)
    /// etcd has no space left for writes.
    case storageFull
    /// Its time ran out before it was put into a transaction.
    case deadlineExceeded
    /// etcd does not answer, so nothing was sent or what was sent was refused.
    case storeUnavailable
    /// The replica has not read the ledger yet.
    case starting
    /// The replica is about to stop.
    case stopping
    /// The event was forwarded to a replica that does not seal.
    case notSealing
    /// This replica's clock disagrees with most of the store's members.
    case clockUntrusted
    /// No majority of the store's members told its time lately, so that the clock cannot be believed.
    case clockUnsampled
    /// The store has no quorum, or none that answers in time.
    case noQuorum
    /// A member of the store runs a release that can lose what it has committed.
    case releaseRefused
    /// The ledger is written in a format that this version does not know.
    case unknownFormat
    /// An event that may be the same one could not be read for comparison.
    case lookupFailed
    /// The store no longer holds what this replica knows to be sealed.
    case rolledBack
}
