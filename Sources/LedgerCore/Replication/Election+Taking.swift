extension Election {
    /// How often the counter may move while the sealer is silent before this replica seals beside it.
    private static var believedMoves: Int { 3 }

    mutating func take(
        _ current: Seeking, hintRevision: Int64, counter: Revision?, at now: MonotonicInstant
    ) {
        let attempt = makeAttempt(hintRevision: hintRevision, counter: counter, at: now)
        var seeking = current
        seeking.step = .taking(attempt)
        enter(.seeking(seeking))
        say(.takeHint(attempt))
    }

    /// An attempt to take the hint has ended. It may be one that this replica had given up by then.
    mutating func takeEnded(
        _ attempt: TakeAttempt, _ result: TakeResult, _ signs: SealerSigns,
        at now: MonotonicInstant
    ) {
        if case .direct(var direct) = role, direct.attempt == attempt {
            direct.attempt = nil
            enter(.direct(direct))
        }
        switch result {
        case .taken(let lease, let new): taken(lease, new, by: attempt, signs, at: now)
        case .lost(let new, let counter):
            lost(attempt, to: new, counter: counter, signs, at: now)
        case .unknown: readAgain(attempt, signs, at: now)
        }
    }

    private mutating func taken(
        _ lease: Int64, _ new: HintReading, by attempt: TakeAttempt, _ signs: SealerSigns,
        at now: MonotonicInstant
    ) {
        // A newer reading knows better: it was taken away again since.
        guard new.readAt >= reading.readAt else {
            readAgain(attempt, signs, at: now)
            return
        }
        reading = new
        if case .sealing(let tenure) = role, tenure.lease == lease { return }
        guard mayTake else {
            giveBack(lease)
            readAgain(attempt, signs, at: now)
            return
        }
        becomeSealer(
            lease, since: attempt.at, renewing: attempt.at + settings.keepAliveInterval, signs,
            at: now)
    }

    /// A comparison failed. What was noticed meanwhile may be newer than what was seen then.
    private mutating func lost(
        _ attempt: TakeAttempt, to seen: HintReading, counter: Revision, _ signs: SealerSigns,
        at now: MonotonicInstant
    ) {
        switch role {
        case .following(let following):
            guard case .taking(attempt) = following.doubt?.step else { break }
            guard seen.revision == attempt.hintRevision, reading.revision == attempt.hintRevision,
                signs.silentSince != nil
            else {
                // Another hint, even if by the same replica, or it answers again: the doubt does not hold any more.
                noticed(seen, signs, at: now)
                if case .following(let present) = role, present.link == following.link {
                    set(nil, of: present)
                }
                return
            }
            // The counter moved: somebody seals. Where it is the silent sealer, its answers are on their way.
            if seen.readAt > reading.readAt { reading = seen }
            if var doubt = following.doubt {
                doubt.storeAnswered(since: attempt.at, at: now)
                set(doubt, of: following)
            }
            counterMoved(to: counter, signs, at: now)
            return
        case .seeking(let seeking):
            guard case .taking(attempt) = seeking.step else { break }
            if seen.readAt >= reading.readAt { reading = seen }
            if reading.isFree {
                take(seeking, hintRevision: 0, counter: nil, at: now)
            } else if reading.revision == attempt.hintRevision {
                goDirect(at: now)
            } else if let hint = reading.hint, isOwn(hint) {
                handedOver(reading, seeking, signs, at: now)
            } else {
                // Who lost the race forwards to the winner, and does not try again before a lease's time.
                mayDeposeFrom = now + settings.hintLifetime
                follow(reading, signs, at: now)
            }
            return
        case .idle, .sealing, .direct: break
        }
        noticed(seen, signs, at: now)
    }

    /// What was to be taken is this replica's already: a sealer that leaves has put it there.
    private mutating func handedOver(
        _ own: HintReading, _ current: Seeking, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        noticedOwn(own, signs, at: now)
        guard case .seeking = role else { return }
        // It is not wanted any more.
        var seeking = current
        seeking.putOff(at: now)
        enter(.seeking(seeking))
    }

    /// The sealer is silent, but the counter moved.
    mutating func counterMoved(
        to counter: Revision, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        guard case .following(let following) = role, var doubt = following.doubt else { return }
        doubt.moves += 1
        if doubt.moves >= Self.believedMoves {
            goDirect(at: now)
            return
        }
        doubt.step = .watching(counter, until: now + doubt.watch(signs.patience))
        set(doubt, of: following)
    }

    /// Nothing is known of an attempt: a reading tells.
    private mutating func readAgain(
        _ attempt: TakeAttempt, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        switch role {
        case .seeking(var seeking):
            guard case .taking(attempt) = seeking.step else { return }
            seeking.putOff(at: now)
            enter(.seeking(seeking))
        case .following(let following):
            guard var doubt = following.doubt, case .taking(attempt) = doubt.step else { return }
            doubt.step = .pausing(until: now + Self.readingPause)
            set(signs.silentSince == nil ? nil : doubt, of: following)
        case .idle, .sealing, .direct: break
        }
    }

    // MARK: Links

    /// The sealer welcomed this replica. A link that is not waited for is closed.
    mutating func linkUp(_ link: LinkID, at now: MonotonicInstant) {
        switch role {
        case .following(var following) where following.link == link:
            following.isUp = true
            enter(.following(following))
            report(.following(following.hint.address, after: endOutage(at: now)))
        case .direct(let direct) where direct.candidate == link:
            guard let hint = direct.avoided.hint else { return }
            enter(.following(Following(link: link, hint: hint, isUp: true, since: now)))
            report(.following(hint.address, after: endOutage(at: now)))
        case .idle, .seeking, .sealing, .following, .direct:
            say(.disconnect(link))
        }
    }

    /// A link broke or was refused.
    mutating func linkDown(
        _ link: LinkID, why: String, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        switch role {
        case .following(let following) where following.link == link:
            distrust(why, signs, at: now)
        case .direct(var direct) where direct.candidate == link:
            direct.candidate = nil
            enter(.direct(direct))
        case .idle, .seeking, .sealing, .following, .direct: break
        }
    }

    /// The sealer that is followed refused, or cannot be reached.
    mutating func distrust(_ why: String, _ signs: SealerSigns, at now: MonotonicInstant) {
        report(.doubtsSealer(why))
        var signs = signs
        // Its answers are not waited for.
        signs.isOwed = false
        seek(refused: reading, signs, at: now)
    }

    /// The sealer said over a link that it does not seal. What was sent after that is refused as well, and those answers
    /// are still to come.
    mutating func refused(by link: LinkID, _ signs: SealerSigns, at now: MonotonicInstant) {
        guard case .following(let following) = role, following.link == link else { return }
        report(.doubtsSealer("it does not seal"))
        seek(refused: reading, signs, at: now)
    }

    /// The sealer has given its hint back: what it has it still seals, and its successor is sought.
    mutating func farewell(_ link: LinkID, _ signs: SealerSigns, at now: MonotonicInstant) {
        guard case .following(let following) = role, following.link == link else { return }
        reading = HintReading(hint: nil, revision: 0, readAt: reading.readAt, lease: 0)
        seek(knownFree: true, signs, at: now)
    }

    /// The sealer seals, or owes nothing.
    ///
    /// - Parameter hasSealed: whether it showed that it can.
    /// - Returns: whether it was in doubt for longer than it takes to look at the counter.
    @discardableResult
    mutating func showsLife(_ link: LinkID, hasSealed: Bool) -> Bool {
        guard case .following(var following) = role, following.link == link else { return false }
        if hasSealed { directPause = Direct.firstPause }
        let wasDoubted = following.trust()
        enter(.following(following))
        return wasDoubted
    }

    /// Whether events are forwarded over this link.
    func follows(_ link: LinkID) -> Bool {
        if case .following(let following) = role { following.link == link } else { false }
    }
}
