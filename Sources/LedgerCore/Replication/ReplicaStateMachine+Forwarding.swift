extension ReplicaStateMachine {
    /// An event whose fate is open is looked up this often.
    private static var resolvePause: Nanoseconds { .milliseconds(10) }

    // MARK: Submissions

    /// A caller submits an event.
    ///
    /// - Parameter head: the newest number that this replica has read or sealed.
    package mutating func submit(
        _ submission: Submission, knownHead head: SequenceNumber, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        heard(of: head)
        // The sealing machine says that the replica stops, or that there is none but itself to seal.
        if isStopping || settings.identity == nil { return [.pass(submission)] }
        // What is sealed here and belongs to no stream needs no book: the sealing machine answers for it.
        if submission.stream == nil, path == .here { return [.pass(submission)] }
        if submission.commitBy <= now {
            return [.reject(submission, .deadlineExceeded)]
        }
        let limits = settings.sealing
        guard book.events.count < limits.maxQueuedEvents,
            book.bytes + submission.template.byteCount <= limits.maxQueuedBytes
        else {
            return [.reject(submission, .overloaded(retryAfter: limits.commitDeadline))]
        }
        book.add(submission, headAtReceipt: highestKnown)
        return flush(at: now)
    }

    /// The caller is gone: what was not sent is not sealed, and what was is not recalled.
    ///
    /// - Returns: nil where this machine does not know the submission, but the sealing machine may.
    package mutating func cancel(_ token: SubmissionToken) -> [ReplicaAction]? {
        guard let tracked = book.events[token] else { return nil }
        switch tracked.place {
        // That machine answers: what waits there is not sealed, what was sent is unknown.
        case .here where !tracked.mayBeSealed: return [.withdraw(token)]
        case .waiting where !tracked.mayBeSealed:
            return finish(token, .notSealed(.deadlineExceeded)) + reportIfDrained()
        default:
            return finish(token, .unknown) + reportIfDrained()
        }
    }

    /// Where events go now; nil while they are better held for a moment.
    var path: ForwardBook.Path? {
        switch role {
        case .idle, .sealing, .direct: .here
        // Who leaves still seals best while nobody else does.
        case .seeking: isLeaving && ability == .able ? .here : nil
        case .following(let following): isHolding ? nil : .link(following.link)
        }
    }

    /// Whether nothing more is sent to the sealer for the moment.
    var isHolding: Bool {
        guard case .following(let following) = role else { return false }
        if !following.isUp { return true }
        switch following.doubt?.step {
        case .taking: return true
        case nil, .reading, .watching, .pausing: return false
        }
    }

    /// So long events are held for an election at most; then they are sealed beside it (PROTOCOL.md 18).
    private var longestHold: Nanoseconds { settings.sealing.commitDeadline / 2 }

    /// When the oldest event that is held has been held for so long.
    var heldUntil: MonotonicInstant? {
        book.oldestWaiting.map { $0 + longestHold }
    }

    /// Sends everything that can be sent.
    mutating func flush(at now: MonotonicInstant) -> [ReplicaAction] {
        guard book.waitingCount > 0 else { return [] }
        guard let path else {
            guard let heldUntil, heldUntil <= now else { return [] }
            return book.take(for: .here, at: now, receivedBy: now - longestHold)
                .map { .sealHere($0) }
        }
        let batch = book.take(for: path, at: now)
        guard !batch.isEmpty else { return [] }
        switch path {
        case .here:
            return batch.map { .sealHere($0) }
        case .link(let link):
            pace.sent(at: now)
            return [.send(link, batch)]
        }
    }

    // MARK: Answers

    /// What the sealer answered.
    package mutating func answered(
        _ link: LinkID, _ answers: [(SubmissionToken, ForwardOutcome)], at now: MonotonicInstant
    ) -> [ReplicaAction] {
        var actions: [ReplicaAction] = []
        for (token, outcome) in answers {
            actions += answered(link, token, outcome, at: now)
        }
        if draining[link] != nil {
            draining[link] = now
            if book.sentCount(link) == 0 {
                draining[link] = nil
                actions.append(.disconnect(link))
            }
        }
        return actions + flush(at: now) + reportIfDrained()
    }

    private mutating func answered(
        _ link: LinkID, _ token: SubmissionToken, _ outcome: ForwardOutcome,
        at now: MonotonicInstant
    ) -> [ReplicaAction] {
        let tracked = book.events[token]
        defer { if outcome.showsLife { showsLife(link, tracked, at: now) } }
        if let number = outcome.number { heard(of: number) }
        guard let tracked else { return [] }
        switch outcome {
        case .sealed(let seal):
            return finish(
                token, .sealed(seal, latency: now - tracked.submission.receivedAt),
                endedOver: .link(link))
        case .duplicate(let number):
            // Sealed by whom, the original shows: it may be another attempt, which may still be under way.
            if !book.attemptEnded(token, over: link) { book.leaveOpen(token) }
            book.move(token, to: .readingOriginal)
            return withdrawal(of: tracked, endedOver: .link(link)) + [.readOriginal(token, number)]
        case .conflicting(let number, let differs):
            // Said of sealed events only (PROTOCOL.md 3), so whatever was attempted, this one never will be.
            return finish(
                token, .conflicting(with: number, differs: differs), endedOver: .link(link))
        case .notSealed(.stopping), .notSealed(.starting), .notSealed(.clockUntrusted),
            .notSealed(.clockUnsampled), .notSealed(.releaseRefused), .notSealed(.unknownFormat),
            .notSealed(.rolledBack), .refused:
            // Not this replica, but somebody else may well seal it.
            guard book.attemptEnded(token, over: link) else { return [] }
            return refused(token, by: link, at: now)
        case .notSealed(let reason):
            guard book.attemptEnded(token, over: link) else { return [] }
            if case .overloaded = reason { pace.overloaded() }
            let actions = rejected(token, reason, by: .link(link), at: now)
            if book.sentCount(link) == 0 { expectNothing(of: link) }
            return actions
        case .unknown:
            book.addOpenAttempt(link, to: token)
            return tracked.place == .sent(link) ? resolve(token, at: now) : []
        }
    }

    /// The sealer seals, or says of something that it is sealed; also where nobody waits for that answer any more.
    private mutating func showsLife(
        _ link: LinkID, _ tracked: ForwardBook.Tracked?, at now: MonotonicInstant
    ) {
        guard case .following(var following) = role, following.link == link else { return }
        let isMore = book.sentCount(link) > 0
        if let tracked, tracked.place == .sent(link) {
            pace.answered(sentAt: tracked.sentAt, isMoreUnderWay: isMore, at: now)
        } else {
            pace.showsLife(isMoreUnderWay: isMore, at: now)
        }
        directPause = Direct.firstPause
        following.trust()
        role = .following(following)
    }

    /// Everything that was sent was rejected: the sealer answers, and owes nothing.
    private mutating func expectNothing(of link: LinkID) {
        guard case .following(var following) = role, following.link == link else { return }
        pace.forget()
        following.trust()
        role = .following(following)
    }

    /// A certain rejection by one attempt is one of the event only if no other attempt is open (PROTOCOL.md 4).
    private mutating func rejected(
        _ token: SubmissionToken, _ reason: NotSealedReason, by path: ForwardBook.Path,
        at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard let tracked = book.events[token] else { return [] }
        return tracked.mayBeSealed
            ? resolve(token, at: now) : finish(token, .notSealed(reason), endedOver: path)
    }

    /// The receiver does not seal: its hint is old, or it was taken from it.
    private mutating func refused(
        _ token: SubmissionToken, by link: LinkID, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        book.waitAgain([token])
        guard case .following(let following) = role, following.link == link else { return [] }
        // What was sent after it is refused as well, and those answers are still to come.
        return [.report(.doubtsSealer("it does not seal"))] + seek(refused: reading, at: now)
    }

    private mutating func heard(of number: SequenceNumber) {
        highestKnown = max(highestKnown, number)
    }

    /// The event that is sealed under the number of a duplicate was read.
    package mutating func originalRead(
        _ token: SubmissionToken, _ original: SealedEntry?, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard let tracked = book.events[token], case .readingOriginal = tracked.place else {
            return []
        }
        guard let original else {
            // It is sealed, but under what hash cannot be said now: submitting it again tells.
            return finish(token, .unknown) + reportIfDrained()
        }
        return finish(token, outcome(of: tracked, found: original, at: now)) + flush(at: now)
            + reportIfDrained()
    }

    /// What the own sealing machine says of an event.
    package mutating func sealedHere(
        _ token: SubmissionToken, _ outcome: SubmissionOutcome, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard let tracked = book.events[token], tracked.place == .here else { return [] }
        let actions: [ReplicaAction]
        switch outcome {
        case .sealed(let seal, _):
            heard(of: seal.sequenceNumber)
            actions = finish(token, outcome, endedOver: .here)
        case .conflicting:
            actions = finish(token, outcome, endedOver: .here)
        case .duplicate(let original):
            actions = finish(
                token, self.outcome(of: tracked, found: original, at: now), endedOver: .here)
        case .notSealed(let reason):
            actions = rejected(token, reason, by: .here, at: now)
        case .unknown:
            book.leaveOpenHere(token)
            actions = resolve(token, at: now)
        }
        return actions + flush(at: now) + reportIfDrained()
    }

    /// What an event is called that is found sealed.
    ///
    /// Sealed by an attempt of this submission that was lost sight of, it is a success: but only above the head
    /// that was known when it was received, and signed and submitted as this one is; else somebody else had it
    /// sealed (PROTOCOL.md 7).
    private func outcome(
        of tracked: ForwardBook.Tracked, found original: SealedEntry, at now: MonotonicInstant
    ) -> SubmissionOutcome {
        let entry = original.entry
        let differs = tracked.submission.event.difference(from: entry.event)
        guard differs.isEmpty else {
            return .conflicting(with: entry.sequenceNumber, differs: differs)
        }
        guard tracked.mayBeSealed, entry.sequenceNumber > tracked.headAtReceipt,
            entry.event == tracked.submission.event
        else { return .duplicate(of: original) }
        let seal = Seal(
            sequenceNumber: entry.sequenceNumber, eventHash: original.eventHash,
            previousHash: entry.previousHash, sealedTimestamp: entry.sealedTimestamp)
        return .sealed(seal, latency: now - tracked.submission.receivedAt)
    }

    /// Answers a caller.
    ///
    /// - Parameter path: the attempt that has ended with this; any other that is under way is called off first.
    mutating func finish(
        _ token: SubmissionToken, _ outcome: SubmissionOutcome,
        endedOver path: ForwardBook.Path? = nil
    ) -> [ReplicaAction] {
        guard let tracked = book.remove(token) else { return [] }
        let withdrawal = withdrawal(of: tracked, endedOver: path)
        guard case .notSealed(let reason) = outcome else {
            return withdrawal + [.answer(token, outcome)]
        }
        return withdrawal + [.reject(tracked.submission, reason)]
    }

    /// An event that is answered, or known to be sealed, is not put into a transaction any more (PROTOCOL.md 6).
    private func withdrawal(
        of tracked: ForwardBook.Tracked, endedOver path: ForwardBook.Path?
    ) -> [ReplicaAction] {
        switch tracked.place {
        case .here where path != .here: [.withdraw(tracked.submission.token)]
        case .sent(let link) where path != .link(link): [.recall(link, tracked.submission.token)]
        case .here, .sent, .waiting, .readingOriginal, .resolving, .lookingUp: []
        }
    }

    // MARK: Resolving

    /// Whether the result of a look-up is still waited for.
    package func awaits(_ action: ReplicaAction) -> Bool {
        switch action {
        case .lookUp(let submission): book.events[submission.token]?.place == .lookingUp
        case .readOriginal(let token, _): book.events[token]?.place == .readingOriginal
        default: true
        }
    }

    /// Nothing new is tried for the event: from now on it is looked up until it is found or its time is over.
    private mutating func resolve(
        _ token: SubmissionToken, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard let submission = book.events[token]?.submission else { return [] }
        if submission.answerBy <= now { return finish(token, .unknown) }
        book.move(token, to: .lookingUp)
        return [.lookUp(submission)]
    }

    /// An event was looked for under its id.
    package mutating func lookedUp(
        _ token: SubmissionToken, _ result: ResolveResult, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard let tracked = book.events[token], tracked.place == .lookingUp else { return [] }
        switch result {
        case .found(let original):
            heard(of: original.entry.sequenceNumber)
            return finish(token, outcome(of: tracked, found: original, at: now)) + flush(at: now)
                + reportIfDrained()
        case .absent, .failed:
            book.move(token, to: .resolving(at: now + Self.resolvePause))
            return []
        }
    }

    /// Ends what is due: expires what waits, answers whose time is up, looks up what is open.
    mutating func visitDue(at now: MonotonicInstant) -> [ReplicaAction] {
        var actions: [ReplicaAction] = []
        for tracked in book.takeDue(at: now) {
            let submission = tracked.submission
            let isOver = submission.answerBy <= now
            switch tracked.place {
            case .waiting where !tracked.mayBeSealed:
                // It was never sent anywhere, or every attempt ended certainly.
                let reason: NotSealedReason = readingFailed ? .storeUnavailable : .deadlineExceeded
                actions += finish(submission.token, .notSealed(reason))
            case .waiting, .resolving:
                actions += resolve(submission.token, at: now)
            case .sent, .lookingUp, .readingOriginal, .here:
                if isOver { actions += finish(submission.token, .unknown) }
            }
        }
        book.scheduleVisit(at: now)
        return actions
    }

    /// A link that was to answer only what it had got does not answer: what is left is tried elsewhere.
    mutating func dropSilentDraining(at now: MonotonicInstant) -> [ReplicaAction] {
        guard !draining.isEmpty else { return [] }
        var actions: [ReplicaAction] = []
        for (link, since) in drainingInOrder where since + pace.patience <= now {
            draining[link] = nil
            book.loseSight(of: link)
            actions.append(.disconnect(link))
        }
        return actions
    }
}

extension ForwardOutcome {
    /// The number of a sealed event that it names.
    fileprivate var number: SequenceNumber? {
        switch self {
        case .sealed(let seal): seal.sequenceNumber
        case .duplicate(let number), .conflicting(let number, _): number
        case .notSealed, .refused, .unknown: nil
        }
    }

    /// Whether who says so must be able to seal. Who cannot may still reject.
    fileprivate var showsLife: Bool { number != nil }
}
