extension Election {
    /// A hint that was doubted is read again after this, where that could not be done.
    static var readingPause: Nanoseconds { .milliseconds(20) }

    /// Counter, head and hint were read on this machine's demand.
    mutating func hintRead(_ result: HintResult, _ signs: SealerSigns, at now: MonotonicInstant) {
        switch result {
        case .success(let reading, let counter):
            readingFailed = false
            noticed(reading, signs, at: now)
            afterReading(counter, signs, at: now)
        case .unavailable:
            readingFailed = true
            switch role {
            case .seeking(var seeking):
                guard case .reading = seeking.step else { return }
                seeking.putOff(at: now)
                enter(.seeking(seeking))
            case .following(let following):
                guard var doubt = following.doubt, case .reading = doubt.step else { return }
                doubt.step = .pausing(until: now + Self.readingPause)
                set(doubt, of: following)
            case .idle, .sealing, .direct: break
            }
        }
    }

    /// What the counter's revision means for what is being considered.
    private mutating func afterReading(
        _ counter: Revision, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        switch role {
        case .following(let following):
            guard var doubt = following.doubt, case .reading(let before) = doubt.step else {
                return
            }
            doubt.storeAnswered(since: doubt.askedAt, at: now)
            guard let before else {
                let begin = signs.silentSince ?? now
                doubt.step = .watching(
                    counter, until: max(begin + signs.patience, now + doubt.watch(signs.patience)))
                set(doubt, of: following)
                return
            }
            // The hint may not be taken yet. Nobody seals: this replica does. Somebody does: the sealer's answers
            // may be on their way.
            if before == counter {
                goDirect(at: now)
            } else {
                counterMoved(to: counter, signs, at: now)
            }
        case .seeking(let seeking):
            if case .reading = seeking.step { afterReading(counter, seeking, signs, at: now) }
        case .direct(var direct):
            // While replicas seal beside a sealer that is gone, it is they who move the counter: the hint is tried
            // for between two of their transactions, or it would stay until its lease ends.
            guard direct.isUnreachable, direct.attempt == nil, mayDepose(at: now),
                reading.revision == direct.avoided.revision
            else { return }
            let attempt = makeAttempt(
                hintRevision: reading.revision, counter: counter, at: now)
            direct.attempt = attempt
            enter(.direct(direct))
            say(.takeHint(attempt))
        case .idle, .sealing: break
        }
    }

    private mutating func afterReading(
        _ counter: Revision, _ current: Seeking, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        var seeking = current
        guard mayTake else {
            // Who cannot seal needs the holder, even one that has just refused.
            seeking.refused = nil
            seeking.putOff(at: now)
            enter(.seeking(seeking))
            return
        }
        guard let hint = reading.hint, !isOwn(hint) || reading.lease != 0 else {
            // Nobody holds it, or nobody who could be found.
            take(seeking, hintRevision: reading.revision, counter: nil, at: now)
            return
        }
        if isOwn(hint) {
            // It was given back, and is about to vanish.
            seeking.putOff(at: now)
            enter(.seeking(seeking))
        } else if mayDepose(at: now) {
            take(seeking, hintRevision: reading.revision, counter: counter, at: now)
        } else {
            // The holder refuses, or cannot be reached; it may still seal for others.
            goDirect(at: now)
        }
    }

    /// Somebody read the key `sealer`: with a head, in a failed comparison, or on demand.
    mutating func noticed(_ new: HintReading, _ signs: SealerSigns, at now: MonotonicInstant) {
        guard new.readAt >= reading.readAt, identity != nil else { return }
        let isNews = new.revision != reading.revision
        reading = new
        if let hint = new.hint, isOwn(hint) {
            noticedOwn(new, signs, at: now)
            return
        }
        switch role {
        case .idle: return
        case .sealing where new.isFree:
            seek(knownFree: true, signs, at: now)
            return
        case .sealing:
            mayDeposeFrom = now + settings.hintLifetime
            report(.deposed)
        case .following(let following):
            if let hint = new.hint, hint.id == following.hint.id { return }
        case .direct(let direct):
            if new.revision == direct.avoided.revision { return }
        case .seeking(let seeking):
            switch seeking.step {
            // The end of an attempt tells more than this.
            case .taking: return
            // A reading that is under way leads to an attempt by itself.
            case .reading where new.isFree: return
            case .pausing where new.isFree:
                if mayTake { take(seeking, hintRevision: 0, counter: nil, at: now) }
                return
            case .reading, .pausing:
                if new.revision == seeking.refused?.revision { return }
            }
        }
        // What follows comes from a hint that changed hands, was given back, or is seen for the first time.
        if !new.isFree {
            follow(new, signs, at: now)
        } else if isNews {
            seek(knownFree: true, signs, at: now)
        }
    }

    mutating func noticedOwn(
        _ new: HintReading, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        guard isNewlyOwn(new) else { return }
        switch role {
        case .sealing(let tenure) where tenure.lease == new.lease: return
        case .idle:
            if ability == .fenced { giveBack(new.lease) }
            return
        case .sealing, .seeking, .following, .direct: break
        }
        if mayTake {
            // How old its lease is cannot be known, so it is renewed at once.
            becomeSealer(new.lease, since: now, renewing: now, signs, at: now)
        } else if ability != .stuck || isLeaving {
            // Who is merely stuck lets the lease expire.
            giveBack(new.lease)
        }
    }
}
