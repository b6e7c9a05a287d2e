/// Taking the hint, keeping it, and giving it back.
extension ReplicaStateMachine {
    /// How often the counter may move while the sealer is silent before this replica seals beside it.
    private static var believedMoves: Int { 3 }

    /// An attempt to take the hint, and on what it was based.
    struct PendingTake: Sendable {
        let id: TakeID
        let at: MonotonicInstant
        let hintRevision: Int64
    }

    mutating func take(
        hintRevision: Int64, counter: Revision?, at now: MonotonicInstant
    ) -> ReplicaAction {
        let id = TakeID(rawValue: nextTake)
        nextTake += 1
        pendingTake = PendingTake(id: id, at: now, hintRevision: hintRevision)
        return .takeHint(id, hintRevision: hintRevision, counter: counter)
    }

    mutating func takeNow(
        _ current: Seeking, hintRevision: Int64, counter: Revision?, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var seeking = current
        seeking.step = .taking
        role = .seeking(seeking)
        return [take(hintRevision: hintRevision, counter: counter, at: now)]
    }

    package mutating func takeEnded(
        _ id: TakeID, _ result: TakeResult, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        let ended = pendingTake?.id == id ? pendingTake : nil
        if ended != nil { pendingTake = nil }
        switch result {
        case .taken(let lease, let new):
            // A newer reading knows better: it was taken away again since.
            guard new.readAt >= reading.readAt else { return readAgain(ended, at: now) }
            reading = new
            if case .sealing(let tenure) = role, tenure.lease == lease { return [] }
            guard mayTake else { return giveBack(lease) + readAgain(ended, at: now) }
            return becomeSealer(
                lease, since: ended?.at ?? now,
                renewing: ended.map { $0.at + settings.keepAliveInterval } ?? now, at: now)
                + flush(at: now)
        case .lost(let new, let counter):
            guard let ended else { return noticed(new, at: now) }
            return lost(ended, to: new, counter: counter, at: now) + flush(at: now)
        case .unknown:
            return readAgain(ended, at: now)
        }
    }

    /// A comparison failed. What was noticed meanwhile may be newer than what was seen then.
    private mutating func lost(
        _ ended: PendingTake, to seen: HintReading, counter: Revision, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        switch role {
        case .following(let following):
            guard case .taking = following.doubt?.step else { break }
            guard seen.revision == ended.hintRevision, reading.revision == ended.hintRevision,
                pace.silentSince != nil
            else {
                // Another hint, even if by the same replica, or it answers again.
                let actions = noticed(seen, at: now)
                doubtAnew(following.link)
                return actions
            }
            // The counter moved: somebody seals. Where it is the silent sealer, its answers are on their way.
            reading = seen.readAt > reading.readAt ? seen : reading
            return counterMoved(following, to: counter, at: now)
        case .seeking(let seeking):
            guard case .taking = seeking.step else { break }
            if seen.readAt >= reading.readAt { reading = seen }
            if reading.isFree {
                return takeNow(seeking, hintRevision: 0, counter: nil, at: now)
            }
            if reading.revision == ended.hintRevision { return goDirect(at: now) }
            // Who lost the race forwards to the winner, and does not try again before a lease's time.
            mayDeposeFrom = now + settings.hintLifetime
            return follow(reading, at: now)
        case .idle, .sealing, .direct: break
        }
        return noticed(seen, at: now)
    }

    /// The sealer is silent, but the counter moved.
    mutating func counterMoved(
        _ current: Following, to counter: Revision, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var following = current
        following.doubt?.moves += 1
        if (following.doubt?.moves ?? 0) >= Self.believedMoves { return goDirect(at: now) }
        following.doubt?.step = .watching(counter, until: now + pace.patience / 2)
        role = .following(following)
        return []
    }

    /// What was found out about the sealer's silence does not hold any more.
    private mutating func doubtAnew(_ link: LinkID) {
        guard case .following(var following) = role, following.link == link else { return }
        following.doubt = nil
        role = .following(following)
    }

    /// Nothing is known of an attempt: a reading tells.
    private mutating func readAgain(
        _ ended: PendingTake?, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard ended != nil else { return [] }
        switch role {
        case .seeking(var seeking):
            guard case .taking = seeking.step else { break }
            seeking.putOff(at: now)
            role = .seeking(seeking)
        case .following(var following):
            guard case .taking = following.doubt?.step else { break }
            if pace.silentSince == nil {
                following.doubt = nil
            } else {
                following.doubt?.step = .pausing(until: now + Self.readingPause)
            }
            role = .following(following)
        case .idle, .sealing, .direct: break
        }
        return flush(at: now)
    }

    mutating func becomeSealer(
        _ lease: Int64, since: MonotonicInstant? = nil, renewing: MonotonicInstant,
        at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var actions = abandonPath(at: now)
        role = .sealing(
            Tenure(
                lease: lease, validUntil: (since ?? now) + settings.hintLifetime,
                nextKeepAlive: renewing))
        actions.append(.report(.becameSealer(after: endOutage(at: now))))
        return actions
    }

    /// The hint's lease was renewed, or not.
    package mutating func keptAlive(
        lease: Int64, _ result: KeepAliveResult, asked: MonotonicInstant, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard case .sealing(var tenure) = role, tenure.lease == lease else { return [] }
        tenure.isRenewing = false
        switch result {
        case .renewed:
            tenure.validUntil = asked + settings.hintLifetime
            tenure.nextKeepAlive = asked + settings.keepAliveInterval
        case .expired:
            return seek(at: now) + flush(at: now)
        case .unknown:
            tenure.nextKeepAlive = now + Self.keepAlivePause
        }
        role = .sealing(tenure)
        return []
    }

    mutating func giveBack(_ lease: Int64) -> [ReplicaAction] {
        givenBack = lease
        return [.report(.gaveHintBack), .giveBack(lease: lease)]
    }
}
