extension SealingStateMachine {
    /// More events with one fingerprint than these are not read for one submission: it is rejected. Even one pair is
    /// work to make; so many would take all computers there are.
    private static var mostCandidates: Int { 64 }

    /// A submission that is not refused waits for the next batch, and for an answer where its id may be sealed already.
    mutating func queue(
        _ submission: Submission, _ book: inout SubmissionBook, at moment: Moment
    ) -> [ReplicaEffect] {
        guard let state else { return [] }
        guard let first = state.index.firstCandidate(for: submission.fingerprint) else {
            book.enqueue(submission.token, isLookingUp: false)
            book.note(submission.token) { $0.clearedThrough = state.head.sequence }
            return []
        }
        book.enqueue(submission.token, isLookingUp: true)
        book.note(submission.token) { $0.isLookingUp = true }
        lookUps.add(submission.token, block: state.index.blockStart(containing: first))
        return startLookUps(&book, at: moment.now)
    }

    /// What looking up index hits by means of one block has found, outside the loop (protocol.md 16).
    mutating func lookedUp(
        _ block: SequenceNumber?, _ results: [(SubmissionToken, LookUpResult)],
        _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        lookUps.ended(block)
        for (token, result) in results {
            guard let tracked = book[token], tracked.place == .queued, tracked.isLookingUp else {
                continue
            }
            switch result {
            case .otherEvents(let number):
                book.mayFillBatch = true
                book.note(token) {
                    $0.isLookingUp = false
                    $0.clearedThrough = number
                }
            case .found(let original):
                // Said of sealed events only, never of pending ones (protocol.md 3): this one was read.
                book.ended(token, .duplicate(of: original), at: now)
            case .failed:
                book.ended(token, .notSealed(.lookupFailed), at: now)
            }
        }
        return startLookUps(&book, at: now)
    }

    /// Starts as many look-ups as may be under way. Who was answered meanwhile is not looked up any more.
    mutating func startLookUps(
        _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard let state else { return [] }
        var effects: [ReplicaEffect] = []
        while let (block, tokens) = lookUps.next() {
            var items: [LookUp.Item] = []
            for token in tokens {
                guard let tracked = book[token], tracked.place == .queued, tracked.isLookingUp
                else { continue }
                let fingerprint = tracked.submission.fingerprint
                guard state.index.candidateCount(for: fingerprint) <= Self.mostCandidates else {
                    book.ended(token, .notSealed(.lookupFailed), at: now)
                    continue
                }
                let candidates = state.index.candidates(for: fingerprint)
                    .filter { $0 > tracked.clearedThrough }
                items.append(
                    LookUp.Item(submission: tracked.submission, candidates: candidates))
            }
            if items.isEmpty {
                lookUps.ended(block)
            } else {
                effects.append(.lookUp(LookUp(block: block, items: items)))
            }
        }
        return effects
    }

    /// A submission is to be sealed here: why it cannot be in time; nil where it can.
    mutating func refusal(
        _ submission: Submission, _ book: SubmissionBook, at moment: Moment
    ) -> NotSealedReason? {
        let now = moment.now
        gathering.arrived(at: now)
        // Whether there is space again after an alarm, the next transaction tells. Of the reserve nobody tries to seal.
        if let obstacle = obstacle(at: moment), obstacle != .storageFull { return obstacle }
        if room.isUsedUp { return .storageFull }
        if submission.commitBy <= now { return .deadlineExceeded }
        let expected = expectedWait(
            behind: book.fairPosition(own: book.queuedCount(of: submission.stream)), book, at: now)
        guard book.queuedCount < settings.maxQueuedEvents,
            book.queuedBytes + submission.byteCount <= settings.maxQueuedBytes
        else { return overloaded(expected, at: now) }
        // With nothing under way a batch is always admitted: otherwise nothing would ever measure that etcd is fast
        // again (protocol.md 13), or one event at a time would, which under load is next to nothing.
        if case .idle = phase, book.queuedCount < limiter.maxEvents { return nil }
        return now + expected <= submission.commitBy ? nil : overloaded(expected, at: now)
    }

    /// The refusal of one event more than can be sealed in time.
    private mutating func overloaded(
        _ wait: Nanoseconds, at now: MonotonicInstant
    ) -> NotSealedReason {
        // Those who come anew have a fifth of the time.
        let interval = Nanoseconds(
            limiter.expectedCommit(at: now).count * 5 / 4 / Int64(limiter.maxEvents))
        return .overloaded(retryAfter: retries.delay(wait: wait, interval: interval, at: now))
    }

    /// How long one more event would wait for its commit behind so many others.
    func expectedWait(
        behind position: Int, _ book: SubmissionBook, at now: MonotonicInstant
    ) -> Nanoseconds {
        let averageBytes = book.queuedCount == 0 ? 0 : book.queuedBytes / book.queuedCount
        var underWaySince: MonotonicInstant?
        switch phase {
        case .building(let plan): underWaySince = plan.plannedAt
        case .committing(let inFlight): underWaySince = inFlight.plannedAt
        case .catchingUp: underWaySince = now
        case .loading, .idle, .fenced: break
        }
        return limiter.expectedWait(
            at: now, waiting: position, waitingBytes: position * averageBytes,
            underWaySince: underWaySince)
    }
}
