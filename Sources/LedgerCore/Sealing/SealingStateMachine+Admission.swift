extension SealingStateMachine {
    /// A caller submits an event. It is answered at once when it cannot be sealed in time.
    package mutating func submit(
        _ submission: Submission, at moment: Moment
    ) -> [SealingAction] {
        arrivals.arrived(at: moment.now)
        if let reason = refusal(submission, at: moment.now) {
            return [rejection(submission, reason)]
        }
        guard let state else { return [rejection(submission, .starting)] }
        var submission = submission
        let candidates = state.index.candidates(for: submission.fingerprint)
        guard candidates.isEmpty else {
            queue.append(submission, isLookingUp: true)
            return [.lookUp(submission, candidates: candidates)]
        }
        submission.clearedThrough = state.head.sequence
        queue.append(submission, isLookingUp: false)
        guard case .idle = phase else { return [] }
        return startBatch(at: moment)
    }

    /// The caller is gone. What still waits is not sealed; what was sent is not recalled.
    package mutating func cancel(_ token: SubmissionToken) -> [SealingAction] {
        if let submission = queue.remove(token) {
            return [rejection(submission, .deadlineExceeded)] + reportIfDrained()
        }
        switch phase {
        case .committing(var inFlight):
            guard inFlight.abandon(token) else { return [] }
            phase = .committing(inFlight)
        case .catchingUp(var catchUp):
            guard catchUp.inDoubt?.abandon(token) == true else { return [] }
            phase = .catchingUp(catchUp)
        case .loading, .idle, .building, .fenced:
            // While a batch is hashed nothing was sent, but it is about to be: it ends as any other.
            return []
        }
        return [.answer(token, .unknown)] + reportIfDrained()
    }

    /// The result of looking up an index hit, outside the loop (PROTOCOL.md 16).
    package mutating func lookedUp(
        _ token: SubmissionToken, _ result: LookUpResult, at moment: Moment
    ) -> [SealingAction] {
        switch result {
        case .otherEvents(let number):
            queue.clear(token, through: number)
        case .found(let original):
            guard let submission = queue.remove(token) else { return [] }
            // Said of sealed events only, never of pending ones (PROTOCOL.md 3): this one was read.
            let differs = submission.event.difference(from: original.entry.event)
            let outcome: SubmissionOutcome =
                differs.isEmpty
                ? .duplicate(of: original)
                : .conflicting(with: original.entry.sequenceNumber, differs: differs)
            return [.answer(token, outcome)] + startBatch(at: moment) + reportIfDrained()
        case .failed:
            guard let submission = queue.remove(token) else { return [] }
            return [rejection(submission, .lookupFailed)] + startBatch(at: moment)
                + reportIfDrained()
        }
        return startBatch(at: moment)
    }

    private func refusal(_ submission: Submission, at now: MonotonicInstant) -> NotSealedReason? {
        switch phase {
        case .fenced: return .rolledBack
        case .loading: return isStopping ? .stopping : .starting
        case .idle, .building, .committing, .catchingUp: break
        }
        if isStopping { return .stopping }
        if submission.commitBy <= now { return .deadlineExceeded }
        // Nothing can be sealed before the open transaction is settled, and that takes longer than anyone waits.
        if isInDoubt(at: now) { return .storeUnavailable }
        let size = submission.template.byteCount
        let expected = expectedWait(of: submission.stream, at: now)
        guard queue.count < settings.maxQueuedEvents, queue.bytes + size <= settings.maxQueuedBytes
        else { return .overloaded(retryAfter: max(expected, .milliseconds(5))) }
        // With nothing under way a batch is always admitted: otherwise nothing would ever measure that etcd is fast
        // again (PROTOCOL.md 13), or one event at a time would, which under load is next to nothing.
        if case .idle = phase, queue.count < limiter.maxEvents { return nil }
        guard now + expected <= submission.commitBy else {
            return .overloaded(retryAfter: max(expected, .milliseconds(5)))
        }
        return nil
    }

    /// How long one more event of a caller would wait for its commit.
    func expectedWait(of stream: StreamID?, at now: MonotonicInstant) -> Nanoseconds {
        let position = queue.fairPosition(of: stream)
        let averageBytes = queue.isEmpty ? 0 : queue.bytes / queue.count
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
