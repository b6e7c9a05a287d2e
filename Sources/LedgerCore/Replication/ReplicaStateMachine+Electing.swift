extension ReplicaStateMachine {
    /// How often the counter may move while the sealer is silent before this replica seals beside it.
    private static var believedMoves: Int { 3 }
    /// A keep-alive that failed is tried again after this.
    private static var keepAlivePause: Nanoseconds { .milliseconds(300) }

    private var mayTake: Bool {
        ability == .able && !isLeaving && settings.identity != nil
    }

    // MARK: Time

    mutating func tickRole(at now: MonotonicInstant) -> [ReplicaAction] {
        switch role {
        case .idle: return []
        case .sealing(let tenure): return tick(tenure, at: now)
        case .seeking(let seeking): return tick(seeking, at: now)
        case .following(let following): return tick(following, at: now)
        case .direct(let direct): return tick(direct, at: now)
        }
    }

    private mutating func tick(_ current: Tenure, at now: MonotonicInstant) -> [ReplicaAction] {
        var tenure = current
        // Who slept through the lease's end is not the sealer any more, whoever is.
        if tenure.validUntil <= now { return seek(at: now) }
        guard tenure.nextKeepAlive <= now, !tenure.isRenewing else { return [] }
        guard ability == .able else {
            // Who does not seal lets the hint expire.
            tenure.nextKeepAlive = now + Self.keepAlivePause
            role = .sealing(tenure)
            return []
        }
        tenure.isRenewing = true
        role = .sealing(tenure)
        return [.keepAlive(lease: tenure.lease)]
    }

    private mutating func tick(_ current: Seeking, at now: MonotonicInstant) -> [ReplicaAction] {
        guard case .pausing(let until) = current.step, until <= now else { return [] }
        var seeking = current
        seeking.step = .reading
        role = .seeking(seeking)
        return [.readHint]
    }

    private mutating func tick(_ current: Following, at now: MonotonicInstant) -> [ReplicaAction] {
        var following = current
        guard following.isUp else {
            return following.connectingEnds(pace, oldestWaiting: book.oldestWaiting) <= now
                ? doubtful(following, "it cannot be reached", at: now) : []
        }
        guard let silentSince = pace.silentSince else { return [] }
        switch following.doubt?.step {
        case nil where silentSince + pace.patience / 2 <= now:
            following.doubt = Following.Doubt()
            role = .following(following)
            return [.readHint]
        case .watching(let counter, let until) where until <= now:
            guard mayDepose(at: now) else {
                following.doubt?.step = .reading(before: counter)
                role = .following(following)
                return [.readHint]
            }
            following.doubt?.step = .taking
            role = .following(following)
            return [
                .report(.doubtsSealer("it does not answer")),
                take(hintRevision: reading.revision, counter: counter, at: now),
            ]
        case .pausing(let until) where until <= now:
            following.doubt?.step = .reading(before: nil)
            role = .following(following)
            return [.readHint]
        default:
            return []
        }
    }

    private mutating func tick(_ current: Direct, at now: MonotonicInstant) -> [ReplicaAction] {
        guard current.retryAt <= now else { return [] }
        var direct = current
        direct.pause = min(direct.pause * 2, Direct.longestPause)
        direct.retryAt = now + direct.pause
        var actions: [ReplicaAction] = [.readHint]
        if let candidate = direct.candidate { actions.append(.disconnect(candidate)) }
        direct.candidate = nil
        if let hint = direct.avoided.hint {
            let link = makeLink()
            direct.candidate = link
            actions.append(.connect(link, hint))
        }
        role = .direct(direct)
        return actions
    }

    private func mayDepose(at now: MonotonicInstant) -> Bool {
        mayTake && (mayDeposeFrom.map { $0 <= now } ?? true)
    }

    // MARK: Reading the hint

    /// Counter, head and hint were read on this machine's demand.
    package mutating func hintRead(
        _ result: HintResult, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        switch result {
        case .success(let reading, let counter):
            readingFailed = false
            let before = role
            let actions = noticed(reading, at: now)
            return actions + afterReading(counter, before: before, at: now) + flush(at: now)
        case .unavailable:
            readingFailed = true
            switch role {
            case .seeking(var seeking):
                seeking.step = .pausing(until: now + seeking.pause)
                seeking.pause = min(seeking.pause * 2, .milliseconds(500))
                role = .seeking(seeking)
            case .following(var following):
                if case .reading = following.doubt?.step {
                    following.doubt?.step = .pausing(until: now + .milliseconds(20))
                    role = .following(following)
                }
            case .idle, .sealing, .direct: break
            }
            return flush(at: now)
        }
    }

    /// What the counter's revision means for what is being considered.
    private mutating func afterReading(
        _ counter: Revision, before: Role, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        switch role {
        case .following(var following):
            guard case .reading(let before) = following.doubt?.step,
                let silentSince = pace.silentSince
            else { return [] }
            if let before {
                // The hint may not be taken yet. Nobody seals: this replica does. Somebody does: the sealer's answers
                // may be on their way.
                return before == counter
                    ? goDirect(at: now) : counterMoved(following, to: counter, at: now)
            }
            following.doubt?.step = .watching(
                counter, until: max(silentSince + pace.patience, now + .milliseconds(2)))
            role = .following(following)
            return []
        case .seeking(var seeking):
            guard case .reading = seeking.step else { return [] }
            guard mayTake else {
                seeking.step = .pausing(until: now + seeking.pause)
                seeking.pause = min(seeking.pause * 2, .milliseconds(200))
                role = .seeking(seeking)
                return []
            }
            if reading.isFree {
                seeking.step = .taking
                role = .seeking(seeking)
                return [take(hintRevision: 0, counter: nil, at: now)]
            }
            // The holder refuses, or cannot be reached; it may still seal for others.
            guard mayDepose(at: now) else { return goDirect(at: now) }
            seeking.step = .taking
            role = .seeking(seeking)
            return [take(hintRevision: reading.revision, counter: counter, at: now)]
        case .idle, .sealing, .direct:
            return []
        }
    }

    /// Somebody read the key `sealer`: with a head, in a failed comparison, or on demand.
    package mutating func noticed(
        _ new: HintReading, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard new.readAt >= reading.readAt, settings.identity != nil else { return [] }
        let isNews = new.revision != reading.revision
        reading = new
        if case .idle = role { return [] }
        let own = new.hint.map { $0.id == settings.identity?.id } ?? false
        switch role {
        case .sealing where own: return []
        case .sealing where new.isFree: return seek(at: now) + flush(at: now)
        case .sealing:
            mayDeposeFrom = now + settings.hintLifetime
            return [.report(.deposed)] + follow(new, at: now)
        case .following(let following):
            if let hint = new.hint, hint.id == following.hint.id { return [] }
        case .direct(let direct):
            if new.revision == direct.avoided.revision { return [] }
        case .seeking(let seeking):
            if !new.isFree, new.revision == seeking.refused?.revision { return [] }
        case .idle: break
        }
        // What follows comes from a hint that changed hands, was given back, or is seen for the first time.
        if own {
            // An own attempt to take it, whose answer was lost.
            if let ownLease, mayTake { return becomeSealer(ownLease, since: now, at: now) }
            return []
        }
        if new.isFree {
            if case .seeking = role { return [] }
            return isNews ? seek(knownFree: true, at: now) + flush(at: now) : []
        }
        if case .seeking(let seeking) = role, case .taking = seeking.step { return [] }
        return follow(new, at: now) + flush(at: now)
    }

    // MARK: Taking the hint

    private mutating func take(
        hintRevision: Int64, counter: Revision?, at now: MonotonicInstant
    ) -> ReplicaAction {
        let id = TakeID(rawValue: nextTake)
        nextTake += 1
        pendingTake = (id, now)
        return .takeHint(id, hintRevision: hintRevision, counter: counter)
    }

    /// The own hint is about to be put under this lease; should the answer be lost, a reading tells of it.
    package mutating func leaseGranted(_ lease: Int64) {
        if !isSealer { ownLease = lease }
    }

    package mutating func takeEnded(
        _ id: TakeID, _ result: TakeResult, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard let pending = pendingTake, pending.id == id else { return [] }
        pendingTake = nil
        switch result {
        case .taken(let lease, let new):
            reading = new
            ownLease = lease
            guard mayTake, !isSealer else {
                return isSealer ? [] : [.giveBack(lease: lease)]
            }
            return becomeSealer(lease, since: pending.at, at: now) + flush(at: now)
        case .lost(let new, let counter):
            return lost(to: new, counter: counter, at: now) + flush(at: now)
        case .unknown:
            return readAgain(at: now)
        }
    }

    private mutating func lost(
        to new: HintReading, counter: Revision, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        let isSame = new.revision == reading.revision
        switch role {
        case .idle, .sealing, .direct:
            return noticed(new, at: now)
        case .following(let following):
            if !isSame { return noticed(new, at: now) }
            // The counter moved: somebody seals. Where it is the silent sealer, its answers are on their way.
            guard following.doubt != nil else { return [] }
            return counterMoved(following, to: counter, at: now)
        case .seeking(var seeking):
            if new.isFree {
                reading = new
                seeking.step = .taking
                role = .seeking(seeking)
                return [take(hintRevision: 0, counter: nil, at: now)]
            }
            if isSame {
                reading = new
                return goDirect(at: now)
            }
            // Who lost the race forwards to the winner, and does not try again before a lease's time.
            mayDeposeFrom = now + settings.hintLifetime
            reading = new
            return follow(new, at: now)
        }
    }

    /// The sealer is silent, but the counter moved.
    private mutating func counterMoved(
        _ current: Following, to counter: Revision, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var following = current
        following.doubt?.moves += 1
        if (following.doubt?.moves ?? 0) >= Self.believedMoves { return goDirect(at: now) }
        following.doubt?.step = .watching(counter, until: now + pace.patience / 2)
        role = .following(following)
        return []
    }

    private mutating func readAgain(at now: MonotonicInstant) -> [ReplicaAction] {
        switch role {
        case .seeking(var seeking):
            seeking.step = .pausing(until: now + seeking.pause)
            seeking.pause = min(seeking.pause * 2, .milliseconds(500))
            role = .seeking(seeking)
        case .following(var following):
            following.doubt?.step = .pausing(until: now + .milliseconds(20))
            role = .following(following)
        case .idle, .sealing, .direct: break
        }
        return flush(at: now)
    }

    private mutating func becomeSealer(
        _ lease: Int64, since: MonotonicInstant, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var actions = abandonPath(at: now)
        role = .sealing(
            Tenure(
                lease: lease, validUntil: since + settings.hintLifetime,
                nextKeepAlive: since + settings.keepAliveInterval))
        pace.forget()
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

    mutating func giveBack(_ tenure: Tenure) -> [ReplicaAction] {
        ownLease = nil
        return [.report(.gaveHintBack), .giveBack(lease: tenure.lease)]
    }

    // MARK: Changing parts

    /// Looks for a sealer, beginning with what the key says now.
    mutating func seek(
        refused: HintReading? = nil, knownFree: Bool = false, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var actions = abandonPath(at: now)
        if outageSince == nil { outageSince = now }
        var seeking = Seeking(since: now, step: .reading, refused: refused)
        if knownFree, mayTake {
            seeking.step = .taking
            role = .seeking(seeking)
            actions.append(take(hintRevision: 0, counter: nil, at: now))
        } else {
            role = .seeking(seeking)
            actions.append(.readHint)
        }
        return actions
    }

    /// Forwards to the holder of a hint from now on.
    private mutating func follow(
        _ reading: HintReading, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard let hint = reading.hint else { return seek(refused: reading, at: now) }
        var actions = abandonPath(at: now)
        if outageSince == nil { outageSince = now }
        let link = makeLink()
        role = .following(Following(link: link, hint: hint, isUp: false, since: now))
        actions.append(.connect(link, hint))
        return actions
    }

    /// The sealer refused, or cannot be reached.
    private mutating func doubtful(
        _ following: Following, _ why: String, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        book.loseSight(of: following.link)
        pace.forget()
        let actions: [ReplicaAction] = [
            .report(.doubtsSealer(why)), .disconnect(following.link),
        ]
        role = .idle
        return actions + seek(refused: reading, at: now) + flush(at: now)
    }

    private mutating func goDirect(at now: MonotonicInstant) -> [ReplicaAction] {
        var actions: [ReplicaAction] = []
        if case .following(let following) = role {
            book.loseSight(of: following.link)
            actions.append(.disconnect(following.link))
        }
        pace.forget()
        role = .direct(
            Direct(
                avoided: reading, retryAt: now + Direct.firstPause, pause: Direct.firstPause))
        return actions + [.report(.sealsDirectly)] + flush(at: now)
    }

    /// Leaves the present part: what was forwarded is still awaited if the sealer was not in doubt, else it is lost
    /// sight of.
    private mutating func abandonPath(at now: MonotonicInstant) -> [ReplicaAction] {
        defer { role = .idle }
        switch role {
        case .idle, .seeking, .sealing: return []
        case .following(let following):
            guard following.isUp, following.doubt == nil, book.sentCount(following.link) > 0 else {
                book.loseSight(of: following.link)
                return [.disconnect(following.link)]
            }
            draining[following.link] = now
            pace.forget()
            return []
        case .direct(let direct):
            return direct.candidate.map { [.disconnect($0)] } ?? []
        }
    }

    private mutating func makeLink() -> LinkID {
        defer { nextLink += 1 }
        return LinkID(rawValue: nextLink)
    }

    private mutating func endOutage(at now: MonotonicInstant) -> Nanoseconds {
        defer { outageSince = nil }
        return outageSince.map { now - $0 } ?? .zero
    }

    // MARK: Links

    /// The sealer welcomed this replica.
    package mutating func linkUp(_ link: LinkID, at now: MonotonicInstant) -> [ReplicaAction] {
        switch role {
        case .following(var following) where following.link == link:
            following.isUp = true
            role = .following(following)
            return [.report(.following(following.hint.address, after: endOutage(at: now)))]
                + flush(at: now)
        case .direct(let direct) where direct.candidate == link:
            guard let hint = direct.avoided.hint else { return [] }
            role = .following(Following(link: link, hint: hint, isUp: true, since: now))
            return [.report(.following(hint.address, after: endOutage(at: now)))] + flush(at: now)
        default:
            return [.disconnect(link)]
        }
    }

    /// A link broke or was refused.
    package mutating func linkDown(
        _ link: LinkID, why: String, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        if draining.removeValue(forKey: link) != nil {
            book.loseSight(of: link)
            return flush(at: now)
        }
        switch role {
        case .following(let following) where following.link == link:
            return doubtful(following, why, at: now)
        case .direct(var direct) where direct.candidate == link:
            direct.candidate = nil
            role = .direct(direct)
            return []
        default:
            return []
        }
    }

    /// The sealer has given its hint back: what it has it still seals, and its successor is sought.
    package mutating func farewell(
        _ link: LinkID, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard case .following(let following) = role, following.link == link else { return [] }
        reading = HintReading(hint: nil, revision: 0, readAt: reading.readAt)
        return seek(knownFree: true, at: now) + flush(at: now)
    }
}
