extension SealingStateMachine {
    /// More transfers of one transaction than this are not kept open at once.
    private static var maxOpenTransmissions: Int { 3 }
    /// The longest pause between two attempts to learn a transaction's fate.
    private static var longestPause: Nanoseconds { .milliseconds(500) }
    /// The shortest time that a transaction is given before its fate is resolved by reading.
    private static var shortestPatience: Nanoseconds { .milliseconds(20) }

    // MARK: Building

    /// Builds the next batch when nothing is under way and something may be sealed.
    mutating func startBatch(at moment: Moment) -> [SealingAction] {
        guard case .idle = phase, let state, !queue.isEmpty else { return [] }
        var actions = expireQueue(at: moment.now)
        if let pausedUntil, pausedUntil > moment.now { return actions }
        pausedUntil = nil
        heldUntil = holdsBatchUntil(moment.now)
        guard heldUntil == nil else { return actions }
        let hindrance = hindrance(at: moment)
        guard hindrance == nil, case .trusted(let wall) = moment.wall else {
            return actions
                + queue.removeAll { _ in true }
                .map { rejection($0, hindrance ?? .clockUntrusted) } + reportIfDrained()
        }
        actions += rejectHopeless(at: moment.now)
        let limits = SubmissionQueue.Limits(events: limiter.maxEvents, bytes: limiter.maxBytes)
        let (batch, hits) = queue.takeBatch(limits) { submission in
            state.index.candidates(for: submission.fingerprint)
                .filter { $0 > submission.clearedThrough }
        }
        for (submission, found) in hits {
            lookUps.add(
                submission.token,
                block: found.first.flatMap { state.index.blockStart(containing: $0) })
        }
        actions += startLookUps()
        guard !batch.isEmpty else { return actions }
        let plan = BatchPlan(
            id: nextProposal, submissions: batch, base: BatchBase(state),
            sealedTimestamp: max(wall, state.head.sealedTimestamp), plannedAt: moment.now)
        nextProposal += 1
        goneWhileBuilding = []
        phase = .building(plan)
        return actions + [.propose(plan)]
    }

    /// Rejects what has waited so long that a commit of the usual length would break its deadline.
    private mutating func rejectHopeless(at now: MonotonicInstant) -> [SealingAction] {
        let hopeless = Nanoseconds(limiter.expectedCommit(at: now).count / 2)
        let patience = Nanoseconds.milliseconds(5)
        guard let earliest = queue.earliestExpiry, earliest <= now + hopeless else { return [] }
        return queue.removeAll { submission in
            submission.commitBy <= now + hopeless && now - submission.receivedAt > patience
        }.map { rejection($0, .deadlineExceeded) }
    }

    /// The batch is computed; its transaction is sent.
    package mutating func proposed(_ proposal: Proposal, at moment: Moment) -> [SealingAction] {
        guard case .building(let plan) = phase, plan.id == proposal.id else { return [] }
        let now = moment.now
        let contract = plan.submissions.map { $0.receivedAt + settings.commitDeadline }.min() ?? now
        // At the contract's end, through another member: waiting for the transfer's own time-out would make
        // every slow commit unknown (PROTOCOL.md 15).
        var inFlight = InFlight(
            proposal, plan: plan, sentAt: now,
            resolveAt: max(contract, now + Self.shortestPatience))
        let gone = goneWhileBuilding.sorted { $0.rawValue < $1.rawValue }
            .filter { inFlight.abandon($0) }
        phase = .committing(inFlight)
        return [.transmit(proposal)] + gone.map { .answer($0, .unknown) } + reportIfDrained()
    }

    // MARK: Answers of etcd

    /// One transmission of the open transaction has ended.
    package mutating func transmissionEnded(
        proposal id: UInt64, _ result: TransmissionResult, at moment: Moment
    ) -> [SealingAction] {
        switch phase {
        case .committing(let inFlight) where inFlight.proposal.id == id:
            return transmissionEnded(inFlight, result, at: moment)
        case .catchingUp(var catchUp):
            guard let inDoubt = catchUp.inDoubt, inDoubt.proposal.id == id else { return [] }
            switch result {
            case .applied:
                catchUp.inDoubt = nil
                phase = .catchingUp(catchUp)
                return answerSealed(inDoubt, at: moment.now) + reportIfDrained()
            case .unknownFormat(let found):
                return foundFormat(found)
            case .superseded, .refused, .noSpace, .unknown:
                // The counter has moved already; these add nothing to that.
                return []
            }
        default:
            return []
        }
    }

    private mutating func transmissionEnded(
        _ current: InFlight, _ result: TransmissionResult, at moment: Moment
    ) -> [SealingAction] {
        var inFlight = current
        inFlight.openTransmissions -= 1
        switch result {
        case .applied(let revision):
            return settleSealed(inFlight, revision: revision, at: moment)
        case .superseded(let observation):
            return observed(observation, by: inFlight, at: moment)
        case .unknownFormat(let found):
            // Its comparison failed, so this transmission was not applied.
            phase = .committing(inFlight)
            guard inFlight.everyTransmissionEnded, !inFlight.sawNoSpace else {
                return foundFormat(found)
            }
            phase = .idle
            return inFlight.unanswered.map { .answer($0.token, .notSealed(.unknownFormat)) }
                + foundFormat(found)
        case .refused:
            storeIsUnavailable = true
            if inFlight.everyTransmissionEnded, !inFlight.sawNoSpace {
                return settleNotSealed(inFlight, because: nil, at: moment)
            }
        case .noSpace:
            inFlight.sawNoSpace = true
            storeIsFull = true
        case .unknown:
            inFlight.mayStillApply = true
            storeIsUnavailable = true
        }
        return resolve(inFlight, at: moment.now)
    }

    /// Begins to read counter and head, unless that is under way.
    private mutating func resolve(
        _ current: InFlight, at now: MonotonicInstant
    ) -> [SealingAction] {
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

    private mutating func observe(_ current: InFlight) -> [SealingAction] {
        var inFlight = current
        let id = ObservationID(rawValue: nextObservation)
        nextObservation += 1
        inFlight.resolution = .observing(id, settles: inFlight.everyTransmissionEnded)
        phase = .committing(inFlight)
        return [.observe(id)]
    }

    /// A read of counter and head has ended.
    package mutating func observed(
        _ id: ObservationID, _ result: ObservationResult, at moment: Moment
    ) -> [SealingAction] {
        guard case .committing(var inFlight) = phase,
            case .observing(let current, let settles) = inFlight.resolution, current == id
        else { return [] }
        switch result {
        case .success:
            malformedInARow = 0
            unreadable = nil
        case .unknownFormat(let found):
            return foundFormat(found)
        case .malformed(let reason):
            let fencing = noticedMalformed(reason, at: moment)
            if !fencing.isEmpty { return fencing }
        case .unavailable: break
        }
        switch result {
        case .success(let observation) where isUnchanged(observation):
            if settles {
                let reason: NotSealedReason? = inFlight.sawNoSpace ? .storageFull : nil
                return settleNotSealed(inFlight, because: reason, at: moment)
            }
            return sendAgain(inFlight, at: moment.now)
        case .success(let observation):
            return observed(observation, by: inFlight, at: moment)
        case .unavailable, .malformed, .unknownFormat:
            storeIsUnavailable = true
            inFlight.resolution = .pausing(until: moment.now + inFlight.pause)
            inFlight.pause = min(inFlight.pause * 2, Self.longestPause)
            phase = .committing(inFlight)
            return []
        }
    }

    /// The counter has not moved, and a transmission may still be on its way: the identical transaction is sent
    /// again, for its comparison can succeed only once.
    private mutating func sendAgain(
        _ current: InFlight, at now: MonotonicInstant
    ) -> [SealingAction] {
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
    mutating func resolveOverdue(
        _ inFlight: inout InFlight, at now: MonotonicInstant
    ) -> [SealingAction] {
        switch inFlight.resolution {
        case .awaitingAnswer where inFlight.resolveAt <= now:
            break
        case .pausing(let until) where until <= now:
            break
        default:
            return []
        }
        let actions = observe(inFlight)
        if case .committing(let updated) = phase { inFlight = updated }
        return actions
    }

    /// Callers whose time is up are told that the outcome is unknown; resolving goes on without them.
    mutating func answerOverdue(
        _ inFlight: inout InFlight, at now: MonotonicInstant
    ) -> [SealingAction] {
        inFlight.abandonOverdue(at: now).map { .answer($0, .unknown) }
    }

    // MARK: Settling

    private mutating func settleSealed(
        _ inFlight: InFlight, revision: Revision, at moment: Moment
    ) -> [SealingAction] {
        limiter.record(
            moment.now - inFlight.plannedAt, events: inFlight.submissions.count,
            bytes: inFlight.proposal.block.count, at: moment.now)
        state?.adopt(inFlight.proposal, revision: revision)
        storeAnswered()
        storeIsFull = false
        lostInARow = 0
        gathering.committed(
            in: moment.now - inFlight.plannedAt, answering: inFlight.submissions.count,
            at: moment.now)
        phase = .idle
        return answerSealed(inFlight, at: moment.now) + startBatch(at: moment) + reportIfDrained()
    }

    func answerSealed(_ inFlight: InFlight, at now: MonotonicInstant) -> [SealingAction] {
        var actions: [SealingAction] = []
        actions.reserveCapacity(inFlight.submissions.count + 1)
        for (record, submission) in zip(inFlight.proposal.records, inFlight.submissions)
        where !inFlight.isAnswered(submission.token) {
            let latency = now - submission.receivedAt
            actions.append(.answer(submission.token, .sealed(record.seal, latency: latency)))
        }
        return actions
    }

    /// Until when the next batch is held; nil where it goes at once.
    private func holdsBatchUntil(_ now: MonotonicInstant) -> MonotonicInstant? {
        guard !isStopping, queue.count < limiter.maxEvents, queue.bytes < limiter.maxBytes,
            let end = gathering.holdUntil(now, waiting: queue.count)
        else { return nil }
        guard let expiry = queue.earliestExpiry else { return end }
        // Company must cost nobody the deadline.
        let latest = min(end, expiry - limiter.expectedCommit(at: now))
        return latest > now ? latest : nil
    }

    /// The transaction is certainly not applied. Its events are answered with the reason, or built into another
    /// transaction when there is none.
    private mutating func settleNotSealed(
        _ inFlight: InFlight, because reason: NotSealedReason?, at moment: Moment
    ) -> [SealingAction] {
        phase = .idle
        let waiting = inFlight.unanswered
        pausedUntil = moment.now + pause
        pause = min(pause * 2, .milliseconds(20))
        if let reason {
            return waiting.map { .answer($0.token, .notSealed(reason)) } + reportIfDrained()
        }
        queue.prepend(waiting)
        return expireQueue(at: moment.now) + reportIfDrained()
    }

    /// The store works: what waits may be tried at once.
    mutating func storeAnswered() {
        storeIsUnavailable = false
        unreadable = nil
        pausedUntil = nil
        pause = .milliseconds(1)
    }
}
