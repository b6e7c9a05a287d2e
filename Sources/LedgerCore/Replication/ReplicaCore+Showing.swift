/// What a replica shows of itself.
extension ReplicaCore {
    /// Behind by more than this many events, it reads ids segments and tiles instead of blocks (protocol.md 23).
    package static var reloadDistance: UInt64 { SealingStateMachine.reloadDistance }

    /// What is known of the ledger; nil until it has been read.
    package var state: LedgerState? { sealing.state }

    /// Whether this replica holds the hint.
    package var isSealer: Bool { election.isSealer }

    /// The hint that leads to this replica; nil until it is known where others reach it.
    package var identity: SealerHint? { election.identity }

    /// What the replica does, in one word for logs, health and metrics.
    package var part: String { election.role.name }

    /// Where the other replica is that holds the hint, usable or not; nil while none is known.
    package var sealerAddress: String? { election.sealerAddress }

    /// Whether what is submitted here goes to another replica.
    package var isForwarding: Bool {
        if case .following(let following) = election.role { following.isUp } else { false }
    }

    /// Whether a leaving replica is not needed any more for sealing: another one is known to seal.
    package var hasHandedOver: Bool { election.hasHandedOver }

    /// Why nothing is sealed any more; nil while not fenced.
    package var fence: LedgerInconsistency? { sealing.fence }

    package var isLoading: Bool { sealing.isLoading }

    /// Whether this replica is the one that seals, as far as it knows: it holds the hint, or there are no others.
    package var leads: Bool {
        election.ability == .able && (election.identity == nil || election.isSealer)
    }

    /// Whether counter and head could not be read when that was tried last.
    package var isUnreadable: Bool { sealing.unreadable != nil }

    /// Whether etcd said last that it has no space.
    package var storeIsFull: Bool { sealing.storeIsFull || sealing.room.isUsedUp }

    /// Whether this replica may seal, apart from who else does.
    package var ability: SealingAbility { election.ability }

    /// What a submission would be told now by the own sealing, whatever it is and however many wait; nil where it would be
    /// sealed.
    package func obstacle(at moment: Moment) -> NotSealedReason? { sealing.obstacle(at: moment) }

    /// Whether an event with this fingerprint is in an own transaction whose fate is open: then it may not be rejected with
    /// certainty (protocol.md 3).
    package func mayStillSeal(_ fingerprint: Fingerprint) -> Bool {
        sealing.mayStillSeal(fingerprint)
    }

    /// Events that wait for a batch.
    package var queuedEvents: Int { book.queuedCount }

    /// Events that are accepted and not answered.
    package var openEvents: Int { book.count }

    /// How many look-ups of index hits are under way, and how many wait for their turn.
    package var lookUpCounts: (running: Int, waiting: Int) {
        (sealing.lookUps.runningCount, sealing.lookUps.waitingCount)
    }

    /// The same of searches for events whose fate is open, or that are sealed already.
    package var searchCounts: (running: Int, waiting: Int) {
        (searches.running, searches.waitingCount)
    }

    /// The first moment at which something is to be done that nothing else brings about.
    var wake: MonotonicInstant? {
        var wake = book.earliestDue
        func atMost(_ instant: MonotonicInstant?) {
            guard let instant else { return }
            wake = wake.map { min($0, instant) } ?? instant
        }
        if election.path == .nowhere { atMost(heldUntil) }
        atMost(sealing.nextWake(book))
        atMost(election.nextWake(signs))
        atMost(forwarding.nextWake)
        return wake
    }

    // MARK: Streams

    /// Whether a stream may be read further.
    package func mayRead(_ stream: StreamID, at now: MonotonicInstant) -> Bool {
        mayRead(load: load(of: stream), at: now)
    }

    /// Whether a stream with such a load may be read further. Where it may not, one with a greater load may not either.
    package func mayRead(load: Int, at now: MonotonicInstant) -> Bool {
        if isStopping { return true }
        switch election.path {
        case .here: return sealing.mayRead(waiting: load, book, at: now)
        case .link: return load < max(1, forwarding.pace.window / max(1, book.streamCount))
        case .nowhere: return load == 0
        }
    }

    /// How many of a stream's events stand against reading it further.
    package func load(of stream: StreamID) -> Int {
        guard let work = book.streams[stream] else { return 0 }
        let waiting = work.waiting + work.queued
        return isCountingUnderWay ? waiting + work.underWay : waiting
    }

    /// Whether loads are of all unanswered events, or of those alone that wait: with a change of this, every stream's
    /// load changes.
    package var isCountingUnderWay: Bool { election.isRelying }

    /// From now on `takeRoomChanges` tells when the stream's load may have become smaller, until `unwatch`.
    package mutating func watch(_ stream: StreamID) { book.watch(stream) }

    package mutating func unwatch(_ stream: StreamID) { book.unwatch(stream) }

    /// The watched streams whose load may be smaller than when this was asked last.
    package mutating func takeRoomChanges() -> Set<StreamID> { book.takeRoomChanges() }
}
