/// What the driver has to do next. Effects carry all that they need; their results come back as events.
package enum ReplicaEffect: Sendable {
    /// Tell callers what became of their submissions. Each submission is answered exactly once.
    case answer([SubmissionAnswer])

    // Sealing
    /// Compute the batch's entries, then report `proposed`.
    case propose(BatchPlan)
    /// Send the proposal's transaction, then report `transmissionEnded`. It goes to none of the members with a
    /// transmission that has not ended, of whichever transaction, while there is another one (protocol.md 15).
    case transmit(Proposal)
    /// Read counter and head in one linearizable transaction, begun now, then report `observed`. The same members are
    /// avoided.
    case observe(ObservationID)
    /// Read the blocks from `after` + 1 up to the observed head, then report `blocksRead`.
    case readBlocks(after: SequenceNumber, upTo: LedgerObservation)
    /// Read what lies between a state and an observed head by way of the ids segments and tiles
    /// (protocol.md 23), then report `reloaded`.
    case reload(from: LedgerState, upTo: LedgerObservation)
    /// Read the events that index hits point at and compare their ids, then report `lookedUp`.
    case lookUp(LookUp)

    // Forwarding
    /// Open a connection to a sealer, then report `linkUp` or `linkDown`.
    case connect(LinkID, SealerHint)
    /// Forward in this order over a link that is up.
    case send(LinkID, [Submission])
    /// Tell the sealer that nobody waits any more for events that were forwarded over this link (protocol.md 6).
    case recall(LinkID, [SubmissionToken])
    /// Close a link; nothing is reported.
    case disconnect(LinkID)
    /// See whether an event is sealed by now, under its id or under a number, then report `searched`.
    case search(Submission, under: SequenceNumber?)

    // Election
    /// Read counter, head and hint, then report `hintRead`.
    case readHint
    /// Get a lease and put the own hint under it, if hint and counter are what the attempt names; then report
    /// `takeEnded`.
    case takeHint(TakeAttempt)
    /// Renew the hint's lease, then report `keptAlive`.
    case keepAlive(lease: Int64)
    /// Give the hint back and then tell the replicas that forward here.
    case giveBack(lease: Int64)
    /// Put another replica's hint in place of the own one, which has this revision, under the same lease; where that is
    /// not known to have been done, give the hint back. Then tell the replicas that forward here.
    case handOver(lease: Int64, hintRevision: Int64, to: SealerHint)

    /// Tell of a change, for the log and the metrics.
    case report(ReplicaReport)
    /// Every accepted submission is answered and none will follow.
    case drained
}

/// A change that an operator wants to see.
package enum ReplicaReport: Hashable, Sendable {
    /// Why nothing is sealed any more.
    case fenced(LedgerInconsistency)
    /// Another replica sealed first; the batch is built again.
    case lostRace
    /// It is known what became of a transaction whose fate was open for a while: whether it is sealed.
    case doubtResolved(isSealed: Bool)
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
