extension SealingStateMachine {
    /// Behind by more than this many events, a replica reads ids segments and tiles (40 bytes an event)
    /// instead of blocks (protocol.md 23).
    static var reloadDistance: UInt64 { 4_096 }
    /// So many answers in a row that make no sense are believed.
    static var believedFailures: Int { 3 }

    /// What an observation says about the state that this replica knows.
    private enum Comparison {
        case unchanged
        /// The same, but for a later format: old events may leave etcd from now on.
        case reformatted
        /// More was sealed; whether it continues what is known, the blocks will tell.
        case ahead
        /// The same head under a later revision of the counter.
        case rewritten
        /// The store shows less, or something else, than was sealed.
        case rolledBack
    }

    func isUnchanged(_ observation: LedgerObservation) -> Bool {
        compare(observation) == .unchanged
    }

    /// The revision alone does not tell: after a restore, others may have sealed up to the same revision again
    /// (protocol.md 8).
    private func compare(_ observation: LedgerObservation) -> Comparison {
        // A format never goes back: what shows an earlier one is older than what is known.
        guard let state, observation.format >= state.format else { return .rolledBack }
        if observation.revision == state.revision {
            if observation.headBytes != state.headBytes { return .rolledBack }
            return observation.format == state.format ? .unchanged : .reformatted
        }
        if observation.revision < state.revision { return .rolledBack }
        if observation.head.sequence > state.head.sequence { return .ahead }
        return observation.head == state.head ? .rewritten : .rolledBack
    }

    /// Somebody read counter and head, while `known` was this replica's head already when the read began.
    mutating func noticed(
        _ observation: LedgerObservation, knownBefore known: LedgerObservation,
        _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        storeIsUnavailable = false
        unreadable = nil
        malformedInARow = 0
        // While a transaction is open or being built, its own comparison will tell.
        guard case .idle = phase else { return [] }
        if observation.revision < known.revision
            || observation.head.sequence < known.head.sequence
            || observation.format < known.format
        {
            return fence(rolledBack(to: observation), &book, at: now)
        }
        guard let state, observation.revision >= state.revision,
            observation.format >= state.format
        else { return [] }
        switch compare(observation) {
        case .unchanged:
            return []
        case .reformatted:
            self.state?.adopt(observation.format)
            return []
        case .ahead, .rewritten:
            return catchUp(to: observation, inDoubt: nil, &book, at: now)
        case .rolledBack:
            return fence(rolledBack(to: observation), &book, at: now)
        }
    }

    /// Somebody read counter and head, and they make no sense: they do not agree, or are no ledger's.
    ///
    /// A transfer can be damaged once; a store that stays like this was changed by somebody else, and nothing is
    /// sealed on it any more (protocol.md 9).
    mutating func noticedMalformed(
        _ reason: LedgerInconsistency, _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        switch phase {
        case .loading, .fenced: return []
        case .idle, .building, .committing, .catchingUp: break
        }
        malformedInARow += 1
        return malformedInARow < Self.believedFailures ? [] : fence(reason, &book, at: now)
    }

    /// Something proves that the store is not the ledger that was sealed; while loading, loading ends with it.
    mutating func contradicted(
        by reason: LedgerInconsistency, _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        isLoading ? [] : fence(reason, &book, at: now)
    }

    /// The counter was seen while a transaction is open, by its own failed comparison or by a read.
    mutating func observed(
        _ observation: LedgerObservation, by inFlight: InFlight, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        phase = .committing(inFlight)
        switch compare(observation) {
        case .unchanged, .rolledBack:
            // Unchanged only comes from a failed comparison: a key that the transaction was to create exists
            // although the counter has not reached it.
            return fence(rolledBack(to: observation), &book, at: now)
        case .reformatted:
            // Nothing was sealed until the format changed, and on the new one its comparison never holds: it is
            // certainly not sealed, and its events are built into a transaction that compares the new format.
            state?.adopt(observation.format)
            storeAnswered()
            phase = .idle
            book.requeue(inFlight.submissions)
            return []
        case .ahead, .rewritten:
            // The comparison can never succeed any more. The blocks tell whether it did.
            return catchUp(to: observation, inDoubt: inFlight, &book, at: now)
        }
    }

    private func rolledBack(to observation: LedgerObservation) -> LedgerInconsistency {
        .rolledBack(
            known: state?.head.sequence ?? .zero, found: observation.head.sequence)
    }

    private mutating func catchUp(
        to observation: LedgerObservation, inDoubt: InFlight?, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard let state else { return [] }
        let catchUp = CatchUp(observation: observation, inDoubt: inDoubt)
        phase = .catchingUp(catchUp)
        if observation.head.sequence == state.head.sequence {
            return blocksRead([], &book, at: now)
        }
        return [read(catchUp, from: state)]
    }

    private func read(_ catchUp: CatchUp, from state: LedgerState) -> ReplicaEffect {
        let target = catchUp.observation
        let distance = target.head.sequence.rawValue - state.head.sequence.rawValue
        return distance > Self.reloadDistance
            ? .reload(from: state, upTo: target)
            : .readBlocks(after: state.head.sequence, upTo: target)
    }

    // MARK: Results

    /// The blocks after the known head were read.
    mutating func blocksRead(
        _ result: CatchUpResult<[BlockDigest]>, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard case .catchingUp = phase else { return [] }
        switch result {
        case .success(let blocks): return blocksRead(blocks, &book, at: now)
        case .unavailable: return catchUpFailed(nil, &book, at: now)
        case .inconsistent(let reason): return catchUpFailed(reason, &book, at: now)
        }
    }

    private mutating func blocksRead(
        _ blocks: [BlockDigest], _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard case .catchingUp(let catchUp) = phase, let known = state else { return [] }
        if let first = blocks.first, first.first.rawValue == known.head.sequence.rawValue + 1,
            first.previousHash != known.head.eventHash
        {
            return fence(rolledBack(to: catchUp.observation), &book, at: now)
        }
        do throws(LedgerInconsistency) {
            try state?.follow(blocks, to: catchUp.observation)
        } catch {
            return catchUpFailed(error, &book, at: now)
        }
        return caughtUp(catchUp, firstBlock: blocks.first, &book, at: now)
    }

    /// The state at the observed head was read by way of the ids segments, together with the block that begins
    /// right after the head known before.
    mutating func reloaded(
        _ result: CatchUpResult<(LedgerState, BlockDigest)>, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard case .catchingUp(let catchUp) = phase, let known = state else { return [] }
        switch result {
        case .success((let reached, let firstBlock)):
            guard firstBlock.first.rawValue == known.head.sequence.rawValue + 1,
                firstBlock.previousHash == known.head.eventHash
            else { return fence(rolledBack(to: catchUp.observation), &book, at: now) }
            state = reached
            return caughtUp(catchUp, firstBlock: firstBlock, &book, at: now)
        case .unavailable:
            return catchUpFailed(nil, &book, at: now)
        case .inconsistent(let reason):
            return catchUpFailed(reason, &book, at: now)
        }
    }

    private mutating func caughtUp(
        _ catchUp: CatchUp, firstBlock: BlockDigest?, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        storeAnswered()
        phase = .idle
        guard let inDoubt = catchUp.inDoubt else { return [] }
        // The event hashes are a chain: the same last hash means the same events, in the same order.
        if let firstBlock, firstBlock.lastEventHash == inDoubt.proposal.head.eventHash {
            limiter.record(
                now - inDoubt.sentAt, events: inDoubt.submissions.count,
                bytes: inDoubt.proposal.block.count, at: now)
            answerSealed(inDoubt, &book, at: now)
            return inDoubt.resolved(isSealed: true)
        }
        // It can never apply. Each event is looked up again by id when the next batch is built: sealed by another
        // replica meanwhile, it is a duplicate (protocol.md 2).
        book.requeue(inDoubt.submissions)
        backOff(at: now)
        return [.report(.lostRace)] + inDoubt.resolved(isSealed: false)
    }

    /// Without the hint, a replica that loses races waits a random time that grows with each: otherwise many that
    /// seal at once starve one another (protocol.md 18).
    private mutating func backOff(at now: MonotonicInstant) {
        lostInARow += 1
        guard !hasPrecedence else { return }
        let longest = Nanoseconds.milliseconds(2) * (1 << min(Int64(lostInARow), 4))
        pausedUntil = now + Nanoseconds(randomNumber(below: longest.count))
    }

    private mutating func catchUpFailed(
        _ reason: LedgerInconsistency?, _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard case .catchingUp(var catchUp) = phase else { return [] }
        if let reason {
            catchUp.failures += 1
            if catchUp.failures >= Self.believedFailures { return fence(reason, &book, at: now) }
        } else {
            storeIsUnavailable = true
        }
        catchUp.retryAt = now + .milliseconds(20)
        phase = .catchingUp(catchUp)
        return []
    }

    mutating func retryOverdue(_ current: CatchUp, at now: MonotonicInstant) -> [ReplicaEffect] {
        guard let retryAt = current.retryAt, retryAt <= now, let state else { return [] }
        var catchUp = current
        catchUp.retryAt = nil
        phase = .catchingUp(catchUp)
        return [read(catchUp, from: state)]
    }
}
