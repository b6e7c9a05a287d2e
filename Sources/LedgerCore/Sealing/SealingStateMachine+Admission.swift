extension SealingStateMachine {
    /// More events with one fingerprint than these are not read for one submission: it is rejected. Even one pair is
    /// work to make; so many would take all computers there are.
    private static var mostCandidates: Int { 64 }

    /// A caller submits an event. It is answered at once when it cannot be sealed in time.
    package mutating func submit(
        _ submission: Submission, at moment: Moment
    ) -> [SealingAction] {
        gathering.arrived(at: moment.now)
        if let reason = refusal(submission, at: moment) {
            return [rejection(submission, reason)]
        }
        guard let state else { return [rejection(submission, .starting)] }
        var submission = submission
        if let first = state.index.firstCandidate(for: submission.fingerprint) {
            queue.append(submission, isLookingUp: true)
            lookUps.add(submission.token, block: state.index.blockStart(containing: first))
            return startLookUps()
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
        case .building(let plan):
            // Nothing was sent yet, but it is about to be.
            if plan.submissions.contains(where: { $0.token == token }) {
                goneWhileBuilding.insert(token)
            }
            return []
        case .loading, .idle, .fenced:
            return []
        }
        return [.answer(token, .unknown)] + reportIfDrained()
    }

    /// What looking up index hits by means of one block has found, outside the loop (PROTOCOL.md 16).
    package mutating func lookedUp(
        _ block: SequenceNumber?, _ results: [(SubmissionToken, LookUpResult)], at moment: Moment
    ) -> [SealingAction] {
        lookUps.ended(block)
        var cleared: [SubmissionToken: SequenceNumber] = [:]
        var settled: [SubmissionToken: SealedEntry?] = [:]
        for (token, result) in results {
            switch result {
            case .otherEvents(let number): cleared[token] = number
            case .found(let original): settled[token] = original
            case .failed: settled[token] = .some(nil)
            }
        }
        queue.clear(cleared)
        let removed = settled.isEmpty ? [] : queue.removeAll { settled[$0.token] != nil }
        let answers = removed.map { submission -> SealingAction in
            guard let original = settled[submission.token] ?? nil else {
                return rejection(submission, .lookupFailed)
            }
            // Said of sealed events only, never of pending ones (PROTOCOL.md 3): this one was read.
            let differs = submission.event.difference(from: original.entry.event)
            return .answer(
                submission.token,
                differs.isEmpty
                    ? .duplicate(of: original)
                    : .conflicting(with: original.entry.sequenceNumber, differs: differs))
        }
        return answers + startLookUps() + startBatch(at: moment) + reportIfDrained()
    }

    /// Starts as many look-ups as may be under way. Who was answered meanwhile is not looked up any more.
    mutating func startLookUps() -> [SealingAction] {
        guard let state else { return [] }
        var actions: [SealingAction] = []
        while let (block, tokens) = lookUps.next() {
            var items: [LookUp.Item] = []
            for token in tokens {
                guard let submission = queue.lookingUp[token] else { continue }
                let fingerprint = submission.fingerprint
                guard state.index.candidateCount(for: fingerprint) <= Self.mostCandidates else {
                    actions += queue.remove(token).map { [rejection($0, .lookupFailed)] } ?? []
                    continue
                }
                let candidates = state.index.candidates(for: fingerprint)
                    .filter { $0 > submission.clearedThrough }
                items.append(LookUp.Item(submission: submission, candidates: candidates))
            }
            if items.isEmpty {
                lookUps.ended(block)
            } else {
                actions.append(.lookUp(LookUp(block: block, items: items)))
            }
        }
        return actions
    }

    private func refusal(_ submission: Submission, at moment: Moment) -> NotSealedReason? {
        let now = moment.now
        // Whether there is space again, the next transaction tells.
        if let obstacle = obstacle(at: moment), obstacle != .storageFull { return obstacle }
        if submission.commitBy <= now { return .deadlineExceeded }
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
        expectedWait(
            behind: queue.fairPosition(own: queue.ownCount(of: stream)), at: now)
    }

    /// How long one more event would wait for its commit behind so many others.
    func expectedWait(behind position: Int, at now: MonotonicInstant) -> Nanoseconds {
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
