extension ReplicaStateMachine {
    /// A keep-alive that failed is tried again after this.
    static var keepAlivePause: Nanoseconds { .milliseconds(300) }
    /// A hint that was doubted is read again after this, where that could not be done.
    static var readingPause: Nanoseconds { .milliseconds(20) }

    var mayTake: Bool {
        ability == .able && !isLeaving && settings.identity != nil
    }

    func mayDepose(at now: MonotonicInstant) -> Bool {
        mayTake && (mayDeposeFrom.map { $0 <= now } ?? true)
    }

    func isOwn(_ hint: SealerHint) -> Bool { hint.id == settings.identity?.id }

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

    private mutating func tick(_ current: Seeking, at now: MonotonicInstant) -> [ReplicaAction] {
        guard case .pausing(let until) = current.step, until <= now else { return [] }
        var seeking = current
        seeking.step = .reading
        role = .seeking(seeking)
        return [.readHint]
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

    private mutating func tick(_ current: Following, at now: MonotonicInstant) -> [ReplicaAction] {
        var following = current
        guard following.isUp else {
            return following.connectingEnds(pace, isWaitedFor: book.waitingCount > 0) <= now
                ? doubtful(following, "it cannot be reached", at: now) : []
        }
        guard let silentSince = pace.silentSince else { return [] }
        switch following.doubt?.step {
        case nil where silentSince + pace.patience / 2 <= now:
            following.doubt = Following.Doubt()
            role = .following(following)
            return [.readHint]
        case .watching(let counter, let until)
        where until + pace.patience / 4 <= now && (following.doubt?.mayOversleep ?? false):
            // Who got no processor itself cannot judge another: its answers may be there, and only not be read yet.
            following.doubt?.oversleeps += 1
            following.doubt?.step = .watching(counter, until: now + pace.patience / 2)
            role = .following(following)
            return []
        case .watching(let counter, let until) where until <= now:
            guard ability == .able else {
                // It could not seal either, so it waits on.
                following.doubt?.step = .pausing(until: now + pace.patience)
                role = .following(following)
                return []
            }
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
        directPause = min(directPause * 2, Direct.longestPause)
        direct.retryAt = now + directPause
        var actions: [ReplicaAction] = [.readHint]
        if let candidate = direct.candidate { actions.append(.disconnect(candidate)) }
        direct.isUnreachable = direct.hasTried
        direct.candidate = nil
        if let hint = direct.avoided.hint {
            let link = makeLink()
            direct.candidate = link
            direct.hasTried = true
            actions.append(.connect(link, hint))
        }
        role = .direct(direct)
        return actions
    }

    // MARK: Reading the hint

    /// Counter, head and hint were read on this machine's demand.
    package mutating func hintRead(
        _ result: HintResult, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        switch result {
        case .success(let reading, let counter):
            readingFailed = false
            let actions = noticed(reading, at: now)
            return actions + afterReading(counter, at: now) + flush(at: now)
        case .unavailable:
            readingFailed = true
            switch role {
            case .seeking(var seeking):
                guard case .reading = seeking.step else { break }
                seeking.putOff(at: now)
                role = .seeking(seeking)
            case .following(var following):
                guard case .reading = following.doubt?.step else { break }
                following.doubt?.step = .pausing(until: now + Self.readingPause)
                role = .following(following)
            case .idle, .sealing, .direct: break
            }
            return flush(at: now)
        }
    }

    /// What the counter's revision means for what is being considered.
    private mutating func afterReading(
        _ counter: Revision, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        switch role {
        case .following(var following):
            guard case .reading(let before) = following.doubt?.step else { return [] }
            if let before {
                // The hint may not be taken yet. Nobody seals: this replica does. Somebody does: the sealer's answers
                // may be on their way.
                return before == counter
                    ? goDirect(at: now) : counterMoved(following, to: counter, at: now)
            }
            following.doubt?.step = .watching(
                counter,
                until: max((pace.silentSince ?? now) + pace.patience, now + pace.patience / 2))
            role = .following(following)
            return []
        case .seeking(let seeking):
            guard case .reading = seeking.step else { return [] }
            return afterReading(counter, seeking, at: now)
        case .direct(let direct):
            // While replicas seal beside a sealer that is gone, it is they who move the counter: the hint is tried
            // for between two of their transactions, or it would stay until its lease ends.
            guard direct.isUnreachable, pendingTake == nil, mayDepose(at: now),
                reading.revision == direct.avoided.revision
            else { return [] }
            return [take(hintRevision: reading.revision, counter: counter, at: now)]
        case .idle, .sealing:
            return []
        }
    }

    private mutating func afterReading(
        _ counter: Revision, _ current: Seeking, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var seeking = current
        guard mayTake else {
            // Who cannot seal needs the holder, even one that has just refused.
            seeking.refused = nil
            seeking.putOff(at: now)
            role = .seeking(seeking)
            return []
        }
        guard let hint = reading.hint, !isOwn(hint) || reading.lease != 0 else {
            // Nobody holds it, or nobody who could be found.
            return takeNow(seeking, hintRevision: reading.revision, counter: nil, at: now)
        }
        if isOwn(hint) {
            // It was given back, and is about to vanish.
            seeking.putOff(at: now)
            role = .seeking(seeking)
            return []
        }
        // The holder refuses, or cannot be reached; it may still seal for others.
        guard mayDepose(at: now) else { return goDirect(at: now) }
        return takeNow(seeking, hintRevision: reading.revision, counter: counter, at: now)
    }

    /// Somebody read the key `sealer`: with a head, in a failed comparison, or on demand.
    package mutating func noticed(
        _ new: HintReading, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard new.readAt >= reading.readAt, settings.identity != nil else { return [] }
        let isNews = new.revision != reading.revision
        reading = new
        if let hint = new.hint, isOwn(hint) { return noticedOwn(new, at: now) }
        switch role {
        case .idle: return []
        case .sealing where new.isFree: return seek(knownFree: true, at: now) + flush(at: now)
        case .sealing:
            mayDeposeFrom = now + settings.hintLifetime
            return [.report(.deposed)] + follow(new, at: now) + flush(at: now)
        case .following(let following):
            if let hint = new.hint, hint.id == following.hint.id { return [] }
        case .direct(let direct):
            if new.revision == direct.avoided.revision { return [] }
        case .seeking(let seeking):
            // The end of an attempt tells more than this.
            if case .taking = seeking.step { return [] }
            if new.isFree {
                // A reading that is under way leads to an attempt by itself.
                guard case .pausing = seeking.step, mayTake else { return [] }
                return takeNow(seeking, hintRevision: 0, counter: nil, at: now)
            }
            if new.revision == seeking.refused?.revision { return [] }
        }
        // What follows comes from a hint that changed hands, was given back, or is seen for the first time.
        if new.isFree { return isNews ? seek(knownFree: true, at: now) + flush(at: now) : [] }
        return follow(new, at: now) + flush(at: now)
    }

    /// The own hint stands. Where this replica does not know that it holds it, it was put by an attempt whose
    /// answer is lost, or still on its way.
    private mutating func noticedOwn(
        _ new: HintReading, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard new.lease != 0, new.lease != givenBack else { return [] }
        switch role {
        case .sealing(let tenure) where tenure.lease == new.lease: return []
        case .idle: return ability == .fenced ? giveBack(new.lease) : []
        case .sealing, .seeking, .following, .direct: break
        }
        if mayTake {
            // How old its lease is cannot be known, so it is renewed at once.
            return becomeSealer(new.lease, renewing: now, at: now) + flush(at: now)
        }
        // Who is merely stuck lets the lease expire.
        return ability == .stuck && !isLeaving ? [] : giveBack(new.lease)
    }

    // MARK: Changing parts

    /// Looks for a sealer, beginning with what the key says now.
    mutating func seek(
        refused: HintReading? = nil, knownFree: Bool = false, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var actions = abandonPath(at: now)
        if outageSince == nil { outageSince = now }
        let seeking = Seeking(step: .reading, refused: refused)
        if knownFree, mayTake {
            return actions + takeNow(seeking, hintRevision: 0, counter: nil, at: now)
        }
        role = .seeking(seeking)
        actions.append(.readHint)
        return actions
    }

    /// Forwards to the holder of a hint from now on.
    mutating func follow(
        _ reading: HintReading, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard let hint = reading.hint, !isOwn(hint) else {
            return seek(refused: reading, at: now)
        }
        var actions = abandonPath(at: now)
        if outageSince == nil { outageSince = now }
        let link = makeLink()
        role = .following(Following(link: link, hint: hint, isUp: false, since: now))
        actions.append(.connect(link, hint))
        return actions
    }

    /// Seals beside the holder of the hint, who does not answer although somebody seals, or whose hint may not be
    /// taken yet.
    mutating func goDirect(at now: MonotonicInstant) -> [ReplicaAction] {
        var actions: [ReplicaAction] = []
        if case .following(let following) = role {
            book.loseSight(of: following.link)
            actions.append(.disconnect(following.link))
        }
        pace.forget()
        role = .direct(Direct(avoided: reading, retryAt: now + directPause))
        return actions + [.report(.sealsDirectly)] + flush(at: now)
    }

    /// Leaves the present part: what was forwarded is still awaited if the sealer was not in doubt, else it is lost
    /// sight of.
    mutating func abandonPath(at now: MonotonicInstant) -> [ReplicaAction] {
        defer {
            role = .idle
            pace.forget()
        }
        switch role {
        case .idle, .seeking, .sealing: return []
        case .following(let following):
            guard following.isUp, following.doubt == nil, book.sentCount(following.link) > 0 else {
                book.loseSight(of: following.link)
                return [.disconnect(following.link)]
            }
            draining[following.link] = now
            return []
        case .direct(let direct):
            return direct.candidate.map { [.disconnect($0)] } ?? []
        }
    }

    private mutating func makeLink() -> LinkID {
        defer { nextLink += 1 }
        return LinkID(rawValue: nextLink)
    }

    mutating func endOutage(at now: MonotonicInstant) -> Nanoseconds {
        defer { outageSince = nil }
        return outageSince.map { now - $0 } ?? .zero
    }
}
