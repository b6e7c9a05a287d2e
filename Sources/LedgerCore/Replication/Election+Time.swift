extension Election {
    /// A keep-alive that failed is tried again after this.
    static var keepAlivePause: Nanoseconds { .milliseconds(300) }

    /// Time has passed.
    mutating func tick(_ signs: SealerSigns, at now: MonotonicInstant) {
        switch role {
        case .idle: break
        case .sealing(let tenure): tick(tenure, signs, at: now)
        case .seeking(let seeking): tick(seeking, at: now)
        case .following(let following): tick(following, signs, at: now)
        case .direct(let direct): tick(direct, at: now)
        }
    }

    private mutating func tick(_ current: Seeking, at now: MonotonicInstant) {
        guard case .pausing(let until) = current.step, until <= now else { return }
        var seeking = current
        seeking.step = .reading
        enter(.seeking(seeking))
        say(.readHint)
    }

    private mutating func tick(
        _ current: Tenure, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        // Who slept through the lease's end is not the sealer any more, whoever is.
        if current.validUntil <= now {
            seek(signs, at: now)
            return
        }
        guard current.nextKeepAlive <= now, !current.isRenewing else { return }
        var tenure = current
        if ability == .able {
            tenure.isRenewing = true
            say(.keepAlive(lease: tenure.lease))
        } else {
            // Who does not seal lets the hint expire.
            tenure.nextKeepAlive = now + Self.keepAlivePause
        }
        enter(.sealing(tenure))
    }

    private mutating func tick(
        _ following: Following, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        guard following.isUp else {
            if following.connectingEnds(signs) <= now {
                distrust("it cannot be reached", signs, at: now)
            }
            return
        }
        guard let silentSince = signs.silentSince else { return }
        guard let doubt = following.doubt else {
            if silentSince + signs.patience / 2 <= now {
                read(Doubt(at: now), of: following, at: now)
            }
            return
        }
        switch doubt.step {
        case .watching(let counter, let until) where until <= now:
            watched(doubt, counter, until: until, of: following, signs, at: now)
        case .pausing(let until) where until <= now:
            var doubt = doubt
            doubt.step = .reading(before: nil)
            read(doubt, of: following, at: now)
        case .reading, .watching, .pausing, .taking: break
        }
    }

    private mutating func watched(
        _ current: Doubt, _ counter: Revision, until: MonotonicInstant, of following: Following,
        _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        var doubt = current
        if until + signs.patience / 4 <= now, doubt.mayOversleep {
            // Who got no processor itself cannot judge another: its answers may be there, and only not be read yet.
            doubt.oversleeps += 1
            doubt.step = .watching(counter, until: now + doubt.watch(signs.patience))
            set(doubt, of: following)
        } else if ability != .able {
            // It could not seal either, so it waits on.
            doubt.step = .pausing(until: now + signs.patience)
            set(doubt, of: following)
        } else if !mayDepose(at: now) {
            doubt.step = .reading(before: counter)
            read(doubt, of: following, at: now)
        } else {
            report(.doubtsSealer("it does not answer"))
            let attempt = makeAttempt(
                hintRevision: reading.revision, counter: counter, at: now)
            doubt.step = .taking(attempt)
            set(doubt, of: following)
            say(.takeHint(attempt))
        }
    }

    private mutating func read(
        _ current: Doubt, of following: Following, at now: MonotonicInstant
    ) {
        var doubt = current
        doubt.askedAt = now
        set(doubt, of: following)
        say(.readHint)
    }

    mutating func set(_ doubt: Doubt?, of current: Following) {
        var following = current
        following.doubt = doubt
        enter(.following(following))
    }

    private mutating func tick(_ current: Direct, at now: MonotonicInstant) {
        guard current.retryAt <= now else { return }
        var direct = current
        directPause = min(directPause * 2, Direct.longestPause)
        direct.retryAt = now + directPause
        say(.readHint)
        if let candidate = direct.candidate { say(.disconnect(candidate)) }
        direct.isUnreachable = direct.hasTried
        direct.candidate = nil
        if let hint = direct.avoided.hint {
            let link = makeLink()
            direct.candidate = link
            direct.hasTried = true
            say(.connect(link, hint))
        }
        enter(.direct(direct))
    }

    /// The hint's lease was renewed, or not.
    mutating func keptAlive(
        lease: Int64, _ result: KeepAliveResult, asked: MonotonicInstant, _ signs: SealerSigns,
        at now: MonotonicInstant
    ) {
        guard case .sealing(var tenure) = role, tenure.lease == lease else { return }
        tenure.isRenewing = false
        switch result {
        case .renewed:
            tenure.validUntil = asked + settings.hintLifetime
            tenure.nextKeepAlive = asked + settings.keepAliveInterval
        case .expired:
            seek(signs, at: now)
            return
        case .unknown:
            tenure.nextKeepAlive = now + Self.keepAlivePause
        }
        enter(.sealing(tenure))
    }
}
