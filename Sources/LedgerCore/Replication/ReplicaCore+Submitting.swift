extension ReplicaCore {
    /// A caller submits an event.
    mutating func submitted(_ submission: Submission, at moment: Moment) {
        if isStopping {
            refuse(submission, sealing.obstacle(at: moment) ?? .stopping)
        } else if election.path == .here, submission.stream == nil {
            admit(submission, at: moment)
        } else if election.path == .nowhere, submission.stream == nil, isUnreadable,
            let reason = sealing.obstacle(at: moment)
        {
            // Nobody can be elected while the store does not answer: to wait for that would only cost time.
            refuse(submission, reason)
        } else {
            hold(submission, at: moment.now)
        }
    }

    /// Another replica has forwarded an event: it is sealed here or not at all (protocol.md 19).
    mutating func forwarded(_ submission: Submission, at moment: Moment) {
        if takesForwards {
            admit(submission, at: moment)
        } else {
            refuse(submission, .notSealing)
        }
    }

    /// Whether events that another replica forwards are sealed here.
    package var takesForwards: Bool {
        election.takesForwards && (election.isSealer || !isStopping)
    }

    /// It is sealed here, and no earlier event of its stream is elsewhere.
    private mutating func admit(_ submission: Submission, at moment: Moment) {
        if let reason = sealing.refusal(submission, book, at: moment) {
            refuse(submission, reason)
        } else {
            book.add(submission, headAtReceipt: highestKnown, isReady: false)
            seal { $0.queue(submission, &$1, at: moment) }
        }
    }

    /// It goes where the earlier ones of its stream are, to another replica, or to whoever is elected in a moment.
    private mutating func hold(_ submission: Submission, at now: MonotonicInstant) {
        let limits = settings.sealing
        if submission.commitBy <= now {
            refuse(submission, .deadlineExceeded)
        } else if book.count >= limits.maxQueuedEvents
            || book.bytes + submission.byteCount > limits.maxQueuedBytes
        {
            refuse(submission, .overloaded(retryAfter: limits.commitDeadline))
        } else {
            book.add(submission, headAtReceipt: highestKnown)
        }
    }

    /// Nothing was tried for it.
    private mutating func refuse(_ submission: Submission, _ reason: NotSealedReason) {
        book.outbox.answers.append(SubmissionAnswer(submission, .notSealed(reason)))
    }

    // MARK: Where events go

    /// So long events are held for an election at most; then they are sealed beside it (protocol.md 18).
    private var longestHold: Nanoseconds { settings.sealing.commitDeadline / 2 }

    /// When the oldest event that is held has been held for so long.
    var heldUntil: MonotonicInstant? { book.oldestWaiting.map { $0 + longestHold } }

    /// Sends everything that can be sent.
    ///
    /// - Returns: whether something went.
    @discardableResult
    mutating func flush(at moment: Moment) -> Bool {
        guard book.waitingCount > 0 else { return false }
        let now = moment.now
        switch election.path {
        case .here:
            return admitAll(book.take(for: .here, at: now), at: moment)
        case .link(let link):
            let batch = book.take(for: .link(link), at: now)
            if batch.isEmpty { return false }
            forwarding.pace.sent(at: now)
            effects.append(.send(link, batch))
            return true
        case .nowhere:
            guard let heldUntil, heldUntil <= now else { return false }
            let late = book.take(for: .here, at: now, receivedBy: now - longestHold)
            return admitAll(late, at: moment)
        }
    }

    private mutating func admitAll(_ submissions: [Submission], at moment: Moment) -> Bool {
        for submission in submissions {
            if let reason = sealing.refusal(submission, book, at: moment) {
                book.rejected(submission.token, reason, by: .here, at: moment.now)
            } else {
                seal { $0.queue(submission, &$1, at: moment) }
            }
        }
        return !submissions.isEmpty
    }

    /// Everything under way may be sealed on a store that this replica does not know (protocol.md 5).
    mutating func loseAll(at now: MonotonicInstant) {
        for link in forwarding.drainingInOrder {
            forwarding.endDraining(link)
            effects.append(.disconnect(link))
        }
        for tracked in book.inOrder where tracked.place != .waiting || tracked.mayBeSealed {
            book.finish(tracked.submission.token, .unknown)
        }
    }
}
