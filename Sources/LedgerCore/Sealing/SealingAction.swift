/// What the driver has to do next. Actions carry all that they need; their results come back as events.
package enum SealingAction: Sendable {
    /// Compute the batch's entries, then report `proposed`.
    case propose(BatchPlan)
    /// Send the proposal's transaction, then report `transmissionEnded`. It goes to none of the members with a
    /// transmission that has not ended, of whichever transaction, while there is another one (PROTOCOL.md 15).
    case transmit(Proposal)
    /// Read counter and head in one linearizable transaction, begun now, then report `observed`. The same members are
    /// avoided.
    case observe(ObservationID)
    /// Read the blocks from `after` + 1 up to the observed head, then report `blocksRead`.
    case readBlocks(after: SequenceNumber, upTo: LedgerObservation)
    /// Read what lies between a state and an observed head by way of the ids segments and tiles
    /// (PROTOCOL.md 23), then report `reloaded`.
    case reload(from: LedgerState, upTo: LedgerObservation)
    /// Read the events that index hits point at and compare their ids, then report `lookedUp`.
    case lookUp(LookUp)
    /// Answer a caller. Each submission is answered exactly once.
    case answer(SubmissionToken, SubmissionOutcome)
    /// Say why nothing is sealed any more.
    case reportFenced(LedgerInconsistency)
    /// Another replica sealed first; the batch is built again.
    case reportLostRace
    /// Every accepted submission is answered and none will follow.
    case reportDrained
}

/// Names one read of counter and head.
package struct ObservationID: Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// How one transmission of a sealing transaction ended (ETCD.md, "What an answer means for a write").
package enum TransmissionResult: Sendable {
    /// Applied, in the transaction of this revision.
    case applied(Revision)
    /// A comparison failed; this is what the store showed in the same transaction.
    case superseded(LedgerObservation)
    /// A comparison failed, and the ledger has this format, which is not known here.
    case unknownFormat(String)
    /// This transmission was certainly not applied: it never left, or etcd refused to look at it.
    case refused
    /// etcd answered "no space", which can mean applied (PROTOCOL.md 1).
    case noSpace
    /// Nothing definite is known: it may be applied now, later or never.
    case unknown
}

/// How a read of counter and head ended.
package enum ObservationResult: Sendable {
    case success(LedgerObservation)
    /// etcd did not answer in time.
    case unavailable
    /// The answer, or what is stored, makes no sense.
    case malformed(LedgerInconsistency)
    /// The ledger has this format, which is not known here.
    case unknownFormat(String)
}

/// How reading missed events ended.
package enum CatchUpResult<Value: Sendable>: Sendable {
    case success(Value)
    case unavailable
    case inconsistent(LedgerInconsistency)
}

/// What the lookup of an index hit found.
package enum LookUpResult: Sendable {
    /// The event_id is sealed, as this event.
    case found(SealedEntry)
    /// All candidates, which reach up to this number, are other ids with the same fingerprint.
    case otherEvents(through: SequenceNumber)
    case failed
}
