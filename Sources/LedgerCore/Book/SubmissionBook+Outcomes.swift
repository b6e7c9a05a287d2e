extension SubmissionBook {
    /// What came of the events that one event of the core touched.
    struct Outbox: Sendable {
        /// What callers are told, in the order in which it was decided.
        var answers: [SubmissionAnswer] = []
        /// What the replica that seals is told: nobody waits for these any more (protocol.md 6).
        var recalls: [(LinkID, SubmissionToken)] = []
        /// Sealed events that are to be found for these: by id, or by the number in their place.
        var searches: [SubmissionToken] = []

        var isEmpty: Bool { answers.isEmpty && recalls.isEmpty && searches.isEmpty }
    }

    /// An event whose fate is open is looked up this often.
    private static let resolvePause = Nanoseconds.milliseconds(10)

    // MARK: Words about an attempt

    /// The own sealing says what has become of an event: of one that is queued or in the batch.
    mutating func ended(
        _ token: SubmissionToken, _ outcome: SubmissionOutcome, at now: MonotonicInstant
    ) {
        guard let tracked = events[token] else { return }
        switch tracked.place {
        case .queued, .inBatch: break
        case .waiting, .sent, .readingOriginal, .resolving, .lookingUp: return
        }
        switch outcome {
        case .sealed, .conflicting: finish(token, outcome, endedOver: .here)
        case .duplicate(let original):
            finish(token, self.outcome(of: tracked, found: original, at: now), endedOver: .here)
        case .notSealed(let reason): rejected(token, reason, by: .here, at: now)
        case .unknown where tracked.mayBeSealed:
            leaveOpen(token)
            resolve(token, at: now)
        case .unknown: finish(token, .unknown, endedOver: .here)
        }
    }

    /// A certain rejection by one attempt is one of the event only if no other attempt is open (protocol.md 4).
    mutating func rejected(
        _ token: SubmissionToken, _ reason: NotSealedReason, by path: Path,
        at now: MonotonicInstant
    ) {
        guard let tracked = events[token] else { return }
        if tracked.mayBeSealed {
            resolve(token, at: now)
        } else {
            finish(token, .notSealed(reason), endedOver: path)
        }
    }

    /// The caller is gone: what was not sent is not sealed, and what was is not recalled from the ledger.
    mutating func cancel(_ token: SubmissionToken, isBuilding: Bool) {
        guard let tracked = events[token] else { return }
        switch tracked.place {
        case .waiting where !tracked.mayBeSealed, .queued where !tracked.mayBeSealed:
            finish(token, .notSealed(.deadlineExceeded))
        case .inBatch where isBuilding:
            // Nothing was sent yet, but it is about to be.
            note(token) { $0.isGone = true }
        case .waiting, .queued, .inBatch, .sent, .readingOriginal, .resolving, .lookingUp:
            finish(token, .unknown)
        }
    }

    // MARK: Answering

    /// Answers a caller.
    ///
    /// - Parameter path: the attempt that has ended with this; any other that is under way is called off.
    mutating func finish(
        _ token: SubmissionToken, _ outcome: SubmissionOutcome, endedOver path: Path? = nil
    ) {
        guard let tracked = remove(token) else { return }
        callOff(tracked, endedOver: path)
        outbox.answers.append(SubmissionAnswer(tracked.submission, outcome))
    }

    /// An event that is answered, or known to be sealed, is not put into a transaction any more (protocol.md 6).
    private mutating func callOff(_ tracked: Tracked, endedOver path: Path?) {
        switch tracked.place {
        case .sent(let link) where path != .link(link):
            outbox.recalls.append((link, tracked.submission.token))
        case .queued, .sent, .inBatch, .waiting, .readingOriginal, .resolving, .lookingUp: break
        }
    }

    /// What an event is called that is found sealed.
    ///
    /// Sealed by an attempt of this submission that was lost sight of, it is a success: but only above the head
    /// that was known when it was received, and signed and submitted as this one is; else somebody else had it
    /// sealed (protocol.md 7).
    private func outcome(
        of tracked: Tracked, found original: SealedEntry, at now: MonotonicInstant
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

    // MARK: Resolving

    /// Nothing new is tried for the event: from now on it is looked up until it is found or its time is over.
    mutating func resolve(_ token: SubmissionToken, at now: MonotonicInstant) {
        guard let tracked = events[token] else { return }
        if tracked.submission.answerBy <= now {
            finish(token, .unknown)
            return
        }
        move(token, to: .lookingUp)
        outbox.searches.append(token)
    }

    /// It is sealed under that number, as the answer over a link says. By which attempt, the original shows: it may be
    /// another one, which may still be under way.
    mutating func readOriginal(
        _ token: SubmissionToken, _ number: SequenceNumber, toldOver link: LinkID
    ) {
        guard let tracked = events[token] else { return }
        if !attemptEnded(token, over: link) { leaveOpen(token) }
        callOff(tracked, endedOver: .link(link))
        move(token, to: .readingOriginal(number))
        outbox.searches.append(token)
    }

    /// Whether the sealed event is still sought.
    func seeks(_ token: SubmissionToken) -> Bool {
        switch events[token]?.place {
        case .lookingUp, .readingOriginal: true
        case .waiting, .queued, .inBatch, .sent, .resolving, nil: false
        }
    }

    /// The sealed event was sought by its id, or under a number.
    mutating func searched(
        _ token: SubmissionToken, under number: SequenceNumber?, _ result: SearchResult,
        at now: MonotonicInstant
    ) {
        guard let tracked = events[token], seeks(token) else { return }
        switch (result, tracked.place) {
        case (.found(let original), _):
            finish(token, outcome(of: tracked, found: original, at: now))
        case (.absent, .readingOriginal(number)), (.failed, .readingOriginal(number)):
            // It is sealed, but under what hash cannot be said now: submitting it again tells.
            finish(token, .unknown)
        case (.absent, .lookingUp) where number == nil, (.failed, .lookingUp) where number == nil:
            move(token, to: .resolving(at: now + Self.resolvePause))
        case (.absent, _), (.failed, _):
            // Meanwhile it is sought in another way.
            break
        }
    }

    /// Ends what is due: expires what waits, answers whose time is up, looks up what is open.
    ///
    /// - Parameters:
    ///   - unsent: what is told of an event for which nobody was found.
    ///   - unsealed: what is told of one that no batch has taken.
    mutating func visitDue(
        unsent: NotSealedReason, unsealed: NotSealedReason, isBuilding: Bool,
        at now: MonotonicInstant
    ) {
        for tracked in takeDue(at: now) {
            let token = tracked.submission.token
            let isOver = tracked.submission.answerBy <= now
            switch tracked.place {
            // It was never sent anywhere, or every attempt ended certainly.
            case .waiting where !tracked.mayBeSealed: finish(token, .notSealed(unsent))
            case .queued where !tracked.mayBeSealed: finish(token, .notSealed(unsealed))
            case .waiting, .queued, .resolving: resolve(token, at: now)
            case .inBatch where isBuilding: break
            case .inBatch, .sent, .lookingUp, .readingOriginal:
                if isOver { finish(token, .unknown) }
            }
        }
        scheduleVisit(at: now)
    }
}
