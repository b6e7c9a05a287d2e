extension SealingStateMachine {
    /// More transfers of one transaction than this are not kept open at once.
    private static var maxOpenTransmissions: Int { 3 }
    /// The longest pause between two attempts to learn a transaction's fate.
    private static var longestPause: Nanoseconds { .milliseconds(500) }
    /// The shortest time that a transaction is given before its fate is resolved by reading.
    private static var shortestPatience: Nanoseconds { .milliseconds(20) }

    // MARK: Building

    /// Builds the next batch when nothing is under way and something may be sealed.
    mutating func startBatch(_ book: inout SubmissionBook, at moment: Moment) -> [ReplicaEffect] {
        guard case .idle = phase, let state, book.queuedCount > 0 else { return [] }
        expire(&book, at: moment.now)
        if let pausedUntil, pausedUntil > moment.now { return [] }
        pausedUntil = nil
        guard book.mayFillBatch else { return [] }
        heldUntil = holdsBatchUntil(moment.now, book)
        guard heldUntil == nil else { return [] }
        let hindrance = hindrance(at: moment)
        guard hindrance == nil, case .trusted(let wall) = moment.wall else {
            for submission in book.queued(where: { _ in true }) {
                book.ended(
                    submission.token, .notSealed(hindrance ?? .clockUntrusted), at: moment.now)
            }
            return []
        }
        rejectHopeless(&book, at: moment.now)
        let limits = SubmissionBook.BatchLimits(
            events: limiter.maxEvents, bytes: limiter.maxBytes)
        let (batch, hits) = book.takeBatch(limits) { tracked in
            state.index.candidates(for: tracked.submission.fingerprint)
                .filter { $0 > tracked.clearedThrough }
        }
        for (token, found) in hits {
            lookUps.add(
                token, block: found.first.flatMap { state.index.blockStart(containing: $0) })
        }
        let effects = startLookUps(&book, at: moment.now)
        guard !batch.isEmpty else { return effects }
        let plan = BatchPlan(
            id: nextProposal, submissions: batch, base: BatchBase(state),
            sealedTimestamp: max(wall, state.head.sealedTimestamp), plannedAt: moment.now)
        nextProposal += 1
        phase = .building(plan)
        return effects + [.propose(plan)]
    }

    private func expire(_ book: inout SubmissionBook, at now: MonotonicInstant) {
        for submission in book.expired(at: now) {
            book.ended(submission.token, .notSealed(expiryReason), at: now)
        }
    }

    /// Rejects what has waited so long that a commit of the usual length would break its deadline.
    private func rejectHopeless(_ book: inout SubmissionBook, at now: MonotonicInstant) {
        let hopeless = Nanoseconds(limiter.expectedCommit(at: now).count / 2)
        let patience = Nanoseconds.milliseconds(5)
        guard let earliest = book.queueExpiry, earliest <= now + hopeless else { return }
        let late = book.queued { tracked in
            tracked.submission.commitBy <= now + hopeless
                && now - tracked.submission.receivedAt > patience
        }
        for submission in late {
            book.ended(submission.token, .notSealed(.deadlineExceeded), at: now)
        }
    }

    /// The batch is computed; its transaction is sent.
    mutating func proposed(
        _ proposal: Proposal, _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard case .building(let plan) = phase, plan.id == proposal.id else { return [] }
        let contract = plan.submissions.map { $0.receivedAt + settings.commitDeadline }.min() ?? now
        // At the contract's end, through another member: waiting for the transfer's own time-out would make
        // every slow commit unknown (protocol.md 15).
        phase = .committing(
            InFlight(
                proposal, plan: plan, sentAt: now,
                resolveAt: max(contract, now + Self.shortestPatience)))
        for submission in plan.submissions where book[submission.token]?.isGone ?? false {
            book.finish(submission.token, .unknown)
        }
        return [.transmit(proposal)]
    }

    // MARK: Answers of etcd

    /// One transmission of the open transaction has ended.
    mutating func transmissionEnded(
        proposal id: UInt64, _ result: TransmissionResult, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        switch phase {
        case .committing(let inFlight) where inFlight.proposal.id == id:
            return transmissionEnded(inFlight, result, &book, at: now)
        case .catchingUp(var catchUp):
            guard let inDoubt = catchUp.inDoubt, inDoubt.proposal.id == id else { return [] }
            switch result {
            case .applied:
                catchUp.inDoubt = nil
                phase = .catchingUp(catchUp)
                answerSealed(inDoubt, &book, at: now)
                return inDoubt.resolved(isSealed: true)
            case .unknownFormat(let found):
                return fence(.unknownFormat(found), &book, at: now)
            case .superseded, .refused, .busy, .noSpace, .unknown:
                // The counter has moved already; these add nothing to that.
                return []
            }
        default:
            return []
        }
    }

    private mutating func transmissionEnded(
        _ current: InFlight, _ result: TransmissionResult, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        var inFlight = current
        inFlight.openTransmissions -= 1
        switch result {
        case .applied(let revision):
            settleSealed(inFlight, revision: revision, &book, at: now)
            return inFlight.resolved(isSealed: true)
        case .superseded(let observation):
            return observed(observation, by: inFlight, &book, at: now)
        case .unknownFormat(let found):
            // Its comparison failed, so this transmission was not applied.
            phase = .committing(inFlight)
            guard inFlight.everyTransmissionEnded, !inFlight.sawNoSpace else {
                return fence(.unknownFormat(found), &book, at: now)
            }
            phase = .idle
            for submission in inFlight.submissions {
                book.ended(submission.token, .notSealed(.unknownFormat), at: now)
            }
            return fence(.unknownFormat(found), &book, at: now)
        case .refused:
            storeIsUnavailable = true
            if inFlight.everyTransmissionEnded, !inFlight.sawNoSpace {
                settleNotSealed(inFlight, because: nil, &book, at: now)
                return inFlight.resolved(isSealed: false)
            }
        case .busy:
            // It did not even wait for a connection, and so nobody is kept waiting either.
            if inFlight.everyTransmissionEnded, !inFlight.sawNoSpace {
                settleNotSealed(
                    inFlight, because: .overloaded(retryAfter: SealingSettings.busyDelay), &book,
                    at: now)
                return []
            }
        case .noSpace:
            inFlight.sawNoSpace = true
            storeIsFull = true
        case .unknown:
            inFlight.mayStillApply = true
            storeIsUnavailable = true
        }
        return resolve(inFlight, at: now)
    }

    /// Begins to read counter and head, unless that is under way.
    private mutating func resolve(
        _ current: InFlight, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        var inFlight = current
        switch inFlight.resolution {
        case .observing(let id, _):
            // That read began before this transmission ended, so it cannot be the last word about it.
            inFlight.resolution = .observing(id, settles: false)
            phase = .committing(inFlight)
            return []
        case .pausing:
            phase = .committing(inFlight)
            return []
        case .awaitingAnswer where inFlight.resent == 0:
            return observe(inFlight)
        case .awaitingAnswer:
            // It was sent again and that told nothing either: no haste, or a store that answers at once
            // without working would be asked without end.
            inFlight.resolution = .pausing(until: now + inFlight.pause)
            phase = .committing(inFlight)
            return []
        }
    }

    private mutating func observe(_ current: InFlight) -> [ReplicaEffect] {
        var inFlight = current
        let id = ObservationID(rawValue: nextObservation)
        nextObservation += 1
        inFlight.resolution = .observing(id, settles: inFlight.everyTransmissionEnded)
        phase = .committing(inFlight)
        return [.observe(id)]
    }

    /// A read of counter and head has ended.
    mutating func observed(
        _ id: ObservationID, _ result: ObservationResult, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard case .committing(var inFlight) = phase,
            case .observing(let current, let settles) = inFlight.resolution, current == id
        else { return [] }
        switch result {
        case .success:
            malformedInARow = 0
            unreadable = nil
        case .unknownFormat(let found):
            return fence(.unknownFormat(found), &book, at: now)
        case .malformed(let reason):
            let fencing = noticedMalformed(reason, &book, at: now)
            if !fencing.isEmpty { return fencing }
        case .unavailable: break
        }
        switch result {
        case .success(let observation) where isUnchanged(observation):
            if settles {
                let reason: NotSealedReason? = inFlight.sawNoSpace ? .storageFull : nil
                settleNotSealed(inFlight, because: reason, &book, at: now)
                return inFlight.resolved(isSealed: false)
            }
            return sendAgain(inFlight, at: now)
        case .success(let observation):
            return observed(observation, by: inFlight, &book, at: now)
        case .unavailable, .malformed, .unknownFormat:
            storeIsUnavailable = true
            inFlight.resolution = .pausing(until: now + inFlight.pause)
            inFlight.pause = min(inFlight.pause * 2, Self.longestPause)
            phase = .committing(inFlight)
            return []
        }
    }

    /// The counter has not moved, and a transmission may still be on its way: the identical transaction is sent
    /// again, for its comparison can succeed only once.
    private mutating func sendAgain(
        _ current: InFlight, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        var inFlight = current
        guard inFlight.openTransmissions < Self.maxOpenTransmissions else {
            inFlight.resolution = .pausing(until: now + inFlight.pause)
            inFlight.pause = min(inFlight.pause * 2, Self.longestPause)
            phase = .committing(inFlight)
            return []
        }
        inFlight.openTransmissions += 1
        inFlight.resent += 1
        inFlight.resolution = .awaitingAnswer
        inFlight.resolveAt = now + max(inFlight.pause, Self.shortestPatience)
        inFlight.pause = min(inFlight.pause * 2, Self.longestPause)
        phase = .committing(inFlight)
        return [.transmit(inFlight.proposal)]
    }

    /// Time has passed while a transaction is open.
    mutating func resolveOverdue(_ inFlight: InFlight, at now: MonotonicInstant) -> [ReplicaEffect]
    {
        switch inFlight.resolution {
        case .awaitingAnswer where inFlight.resolveAt <= now: observe(inFlight)
        case .pausing(let until) where until <= now: observe(inFlight)
        case .awaitingAnswer, .pausing, .observing: []
        }
    }

    // MARK: Settling

    private mutating func settleSealed(
        _ inFlight: InFlight, revision: Revision, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) {
        limiter.record(
            now - inFlight.plannedAt, events: inFlight.submissions.count,
            bytes: inFlight.proposal.block.count, at: now)
        state?.adopt(inFlight.proposal, revision: revision)
        room.note(written: inFlight.proposal.block.count)
        storeAnswered()
        storeIsFull = false
        lostInARow = 0
        gathering.committed(
            in: now - inFlight.plannedAt, answering: inFlight.submissions.count, at: now)
        phase = .idle
        answerSealed(inFlight, &book, at: now)
    }

    func answerSealed(
        _ inFlight: InFlight, _ book: inout SubmissionBook, at now: MonotonicInstant
    ) {
        for (record, submission) in zip(inFlight.proposal.records, inFlight.submissions) {
            let latency = now - submission.receivedAt
            book.ended(submission.token, .sealed(record.seal, latency: latency), at: now)
        }
    }

    /// Until when the next batch is held; nil where it goes at once.
    private func holdsBatchUntil(
        _ now: MonotonicInstant, _ book: SubmissionBook
    ) -> MonotonicInstant? {
        guard !isStopping, book.queuedCount < limiter.maxEvents,
            book.queuedBytes < limiter.maxBytes,
            let end = gathering.holdUntil(now, waiting: book.queuedCount)
        else { return nil }
        guard let expiry = book.queueExpiry else { return end }
        // Company must cost nobody the deadline.
        let latest = min(end, expiry - limiter.expectedCommit(at: now))
        return latest > now ? latest : nil
    }

    /// The transaction is certainly not applied. Its events are answered with the reason, or built into another
    /// transaction when there is none.
    private mutating func settleNotSealed(
        _ inFlight: InFlight, because reason: NotSealedReason?, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) {
        phase = .idle
        pausedUntil = now + pause
        pause = min(pause * 2, .milliseconds(20))
        guard let reason else {
            book.requeue(inFlight.submissions)
            return
        }
        for submission in inFlight.submissions {
            book.ended(submission.token, .notSealed(reason), at: now)
        }
    }

    /// The store works: what waits may be tried at once.
    mutating func storeAnswered() {
        storeIsUnavailable = false
        unreadable = nil
        pausedUntil = nil
        pause = .milliseconds(1)
    }
}
