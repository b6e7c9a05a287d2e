/// Names one connection to a sealer.
package struct LinkID: Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// Names one attempt to take the hint.
package struct TakeID: Hashable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// What the replica's driver has to do next; results come back as events.
package enum ReplicaAction: Sendable {
    /// Give the submission to the own sealing machine, which answers its caller.
    case pass(Submission)
    /// Give the submission to the own sealing machine, then report `sealedHere`.
    case sealHere(Submission)
    /// Answer a caller. Each submission is answered exactly once, by this or by `reject`.
    case answer(SubmissionToken, SubmissionOutcome)
    /// Tell a caller that its submission is certainly not sealed, for that reason; but ask the own sealing machine first:
    /// while that has an event of the same id in a transaction whose fate is open, the answer is unknown (PROTOCOL.md 3).
    case reject(Submission, NotSealedReason)
    /// Cancel a submission with the own sealing machine, after it was given to it and before its caller is answered: who
    /// is answered, or gone, is not put into a transaction any more (PROTOCOL.md 6).
    case withdraw(SubmissionToken)
    /// Tell the sealer that nobody waits any more for an event that was forwarded over this link (PROTOCOL.md 6).
    case recall(LinkID, SubmissionToken)
    /// Open a connection to a sealer, then report `linkUp` or `linkDown`.
    case connect(LinkID, SealerHint)
    /// Forward in this order over a link that is up.
    case send(LinkID, [Submission])
    /// Close a link; nothing is reported.
    case disconnect(LinkID)
    /// Read counter, head and hint, then report `hintRead`.
    case readHint
    /// Get a lease and put the own hint under it, if the hint has still that revision, and the counter too where
    /// one is named; then report `takeEnded`.
    case takeHint(TakeID, hintRevision: Int64, counter: Revision?)
    /// Renew the hint's lease, then report `keptAlive`.
    case keepAlive(lease: Int64)
    /// Give the hint back and then tell the replicas that forward here.
    case giveBack(lease: Int64)
    /// See whether an event whose fate is open is sealed by now, then report `lookedUp`.
    case lookUp(Submission)
    /// Read an event that is sealed under a number, then report `originalRead`.
    case readOriginal(SubmissionToken, SequenceNumber)
    /// Tell of a change of part, for the log and the metrics.
    case report(ReplicaEvent)
    /// Every accepted submission is answered and none will follow.
    case reportDrained
}

/// A change that an operator wants to see.
package enum ReplicaEvent: Hashable, Sendable {
    /// The hint is this replica's; `after` is how long nobody could be forwarded to.
    case becameSealer(after: Nanoseconds)
    /// Another replica holds the hint now.
    case deposed
    /// Events are forwarded to this address; `after` is how long they could not be.
    case following(String, after: Nanoseconds)
    /// The sealer does not answer or refuses.
    case doubtsSealer(String)
    /// Events are sealed here although another replica holds the hint.
    case sealsDirectly
    /// The hint was given back.
    case gaveHintBack
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

/// What a sealer answers to a forwarded event. Without the event's content: the forwarder has it (PROTOCOL.md 23).
package enum ForwardOutcome: Hashable, Sendable {
    case sealed(Seal)
    case duplicate(of: SequenceNumber)
    /// `differs` is empty where the sealer is of a version that does not say it.
    case conflicting(with: SequenceNumber, differs: ContentDifference)
    case notSealed(NotSealedReason)
    /// Refused before it was looked at: the receiver does not seal.
    case refused
    case unknown
}

/// What looking for an event whose fate is open has found.
package enum ResolveResult: Sendable {
    case found(SealedEntry)
    /// Not sealed up to a head that was read after the question; it may be sealed later.
    case absent
    case failed
}
