extension ReplicaCore {
    // MARK: Links

    /// What the sealer answered.
    mutating func answered(
        _ link: LinkID, _ answers: [(SubmissionToken, ForwardOutcome)], at now: MonotonicInstant
    ) {
        for (token, outcome) in answers { answered(link, token, outcome, at: now) }
        forwarding.pace.batchEnded()
        guard forwarding.isDraining(link) else { return }
        if book.sentCount(link) == 0 {
            forwarding.endDraining(link)
            effects.append(.disconnect(link))
        } else {
            forwarding.drain(link, at: now)
        }
    }

    private mutating func answered(
        _ link: LinkID, _ token: SubmissionToken, _ outcome: ForwardOutcome,
        at now: MonotonicInstant
    ) {
        let tracked = book[token]
        defer { if outcome.showsLife { showsLife(link, tracked, at: now) } }
        if let number = outcome.number { highestKnown = max(highestKnown, number) }
        if outcome == .notSealed(.storageFull) { sealing.storeIsFull = true }
        guard let tracked else { return }
        switch outcome {
        case .sealed(let seal):
            let latency = now - tracked.submission.receivedAt
            book.finish(token, .sealed(seal, latency: latency), endedOver: .link(link))
        case .duplicate(let number):
            book.readOriginal(token, number, toldOver: link)
        case .conflicting(let number, let differs):
            // Said of sealed events only (protocol.md 3), so whatever was attempted, this one never will be.
            book.finish(
                token, .conflicting(with: number, differs: differs), endedOver: .link(link))
        case .refused:
            refused(token, by: link, at: now)
        case .notSealed(let reason) where reason.isOfReplica:
            // Not this replica, but somebody else may well seal it.
            refused(token, by: link, at: now)
        case .notSealed(let reason):
            guard book.attemptEnded(token, over: link) else { return }
            if case .overloaded = reason { forwarding.pace.overloaded() }
            book.rejected(token, reason, by: .link(link), at: now)
            // Everything that was sent was rejected: the sealer answers, and owes nothing.
            if book.sentCount(link) == 0, election.follows(link) {
                forwarding.pace.forget()
                election.showsLife(link, hasSealed: false)
            }
        case .unknown:
            book.addOpenAttempt(link, to: token)
            if tracked.place == .sent(link) { book.resolve(token, at: now) }
        }
    }

    /// The sealer seals, or says of something that it is sealed; also where nobody waits for that answer any more.
    private mutating func showsLife(
        _ link: LinkID, _ tracked: SubmissionBook.Tracked?, at now: MonotonicInstant
    ) {
        guard election.follows(link) else { return }
        let isMore = book.sentCount(link) > 0
        if let tracked, tracked.place == .sent(link) {
            forwarding.pace.answered(sentAt: tracked.sentAt, isMoreUnderWay: isMore, at: now)
        } else {
            forwarding.pace.showsLife(isMoreUnderWay: isMore, at: now)
        }
        if election.showsLife(link, hasSealed: true) { forwarding.pace.doubtedWrongly() }
    }

    /// The receiver does not seal: its hint is old, or it was taken from it.
    private mutating func refused(
        _ token: SubmissionToken, by link: LinkID, at now: MonotonicInstant
    ) {
        guard book.attemptEnded(token, over: link) else { return }
        book.waitAgain([token])
        elect(at: now) { $0.refused(by: link, $1, at: now) }
    }

    /// The sealer welcomed this replica.
    mutating func linkUp(_ link: LinkID, at now: MonotonicInstant) {
        // It was avoided, and is there: whatever it was, it is not dead.
        if case .direct(let direct) = election.role, direct.candidate == link {
            forwarding.pace.doubtedWrongly()
        }
        elect(at: now) { election, _ in election.linkUp(link, at: now) }
    }

    /// A link broke or was refused.
    mutating func linkDown(_ link: LinkID, why: String, at now: MonotonicInstant) {
        if forwarding.endDraining(link) {
            book.loseSight(of: link)
        } else {
            elect(at: now) { $0.linkDown(link, why: why, $1, at: now) }
        }
    }

    // MARK: Callers

    /// Hands out what the book has decided: what callers and the sealer are told, and what is searched.
    mutating func deliver(at now: MonotonicInstant) {
        startSearches()
        if book.outbox.isEmpty { return }
        let outbox = book.outbox
        book.outbox = SubmissionBook.Outbox()
        var recalls: [LinkID: [SubmissionToken]] = [:]
        for (link, token) in outbox.recalls { recalls[link, default: []].append(token) }
        for (link, tokens) in recalls.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            effects.append(.recall(link, tokens))
        }
        if !outbox.answers.isEmpty { effects.append(.answer(outbox.answers.map(claimed))) }
    }

    /// What may be claimed: nothing certain of an event while one of the same id is in an own transaction whose fate
    /// is open (protocol.md 3).
    private func claimed(_ answer: SubmissionAnswer) -> SubmissionAnswer {
        guard case .notSealed = answer.outcome,
            sealing.mayStillSeal(answer.submission.fingerprint)
        else { return answer }
        return SubmissionAnswer(answer.submission, .unknown)
    }

    // MARK: Searching

    /// A search has ended; the next one that somebody still waits for begins.
    mutating func searched(
        _ token: SubmissionToken, under number: SequenceNumber?, _ result: SearchResult,
        at now: MonotonicInstant
    ) {
        searches.ended()
        if case .found(let original) = result {
            highestKnown = max(highestKnown, original.entry.sequenceNumber)
        }
        book.searched(token, under: number, result, at: now)
    }

    private mutating func startSearches() {
        for token in book.outbox.searches { searches.add(token) }
        book.outbox.searches = []
        while let token = searches.next(where: { book.seeks($0) }) {
            guard let tracked = book[token] else { continue }
            var number: SequenceNumber?
            if case .readingOriginal(let known) = tracked.place { number = known }
            effects.append(.search(tracked.submission, under: number))
        }
    }
}

extension NotSealedReason {
    /// Whether it is the replica that does not seal, so that another one may.
    fileprivate var isOfReplica: Bool {
        switch self {
        case .stopping, .starting, .clockUntrusted, .clockUnsampled, .releaseRefused,
            .unknownFormat, .rolledBack, .notSealing:
            true
        case .overloaded, .storageFull, .deadlineExceeded, .storeUnavailable, .noQuorum,
            .lookupFailed:
            false
        }
    }
}
