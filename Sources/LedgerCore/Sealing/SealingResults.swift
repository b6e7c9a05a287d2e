/// Names one read of counter and head.
package struct ObservationID: Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// How one transmission of a sealing transaction ended (etcd.md, "What an answer means for a write").
package enum TransmissionResult: Sendable {
    /// Applied, in the transaction of this revision.
    case applied(Revision)
    /// A comparison failed; this is what the store showed in the same transaction.
    case superseded(LedgerObservation)
    /// A comparison failed, and the ledger has this format, which is not known here.
    case unknownFormat(String)
    /// This transmission was certainly not applied: it never left, or etcd refused to look at it.
    case refused
    /// It never left: every connection to the store is in use, and too many requests wait for one.
    case busy
    /// etcd answered "no space", which can mean applied (protocol.md 1).
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
