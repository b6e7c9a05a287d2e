extension SealingStateMachine {
    /// Behind by more than this many events, a replica reads ids segments and tiles (40 bytes an event)
    /// instead of blocks (PROTOCOL.md 23).
    private static var reloadDistance: UInt64 { 4_096 }
    /// So many answers in a row that make no sense are believed.
    static var believedFailures: Int { 3 }

    /// What an observation says about the state that this replica knows.
    private enum Comparison {
        case unchanged
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
    /// (PROTOCOL.md 8).
    private func compare(_ observation: LedgerObservation) -> Comparison {
        guard let state else { return .rolledBack }
        if observation.revision == state.revision {
            return observation.headBytes == state.headBytes ? .unchanged : .rolledBack
        }
        if observation.revision < state.revision { return .rolledBack }
        if observation.head.sequence > state.head.sequence { return .ahead }
        return observation.head == state.head ? .rewritten : .rolledBack
    }

    /// Somebody read counter and head, while `known` was this replica's head already when the read began.
    package mutating func noticed(
        _ observation: LedgerObservation, knownBefore known: LedgerObservation, at moment: Moment
    ) -> [SealingAction] {
        storeIsUnavailable = false
        unreadable = nil
        malformedInARow = 0
        // While a transaction is open or being built, its own comparison will tell.
        guard case .idle = phase else { return [] }
        if observation.revision < known.revision
            || observation.head.sequence < known.head.sequence
        {
            return fence(rolledBack(to: observation))
        }
        guard let state, observation.revision >= state.revision else { return [] }
        switch compare(observation) {
        case .unchanged:
            return startBatch(at: moment)
        case .ahead, .rewritten:
            return catchUp(to: observation, inDoubt: nil, at: moment)
        case .rolledBack:
            return fence(rolledBack(to: observation))
        }
    }

    /// Somebody read counter and head, and they make no sense: they do not agree, or are no ledger's.
    ///
    /// A transfer can be damaged once; a store that stays like this was changed by somebody else, and nothing is
    /// sealed on it any more (PROTOCOL.md 9).
    package mutating func noticedMalformed(
        _ reason: LedgerInconsistency, at moment: Moment
    ) -> [SealingAction] {
        switch phase {
        case .loading, .fenced: return []
        case .idle, .building, .committing, .catchingUp: break
        }
        malformedInARow += 1
        return malformedInARow < Self.believedFailures ? [] : fence(reason)
    }

    /// Somebody read that the ledger has a format which this version does not know: from now on nothing is sealed here.
    package mutating func foundFormat(_ found: String) -> [SealingAction] {
        contradicted(by: .unknownFormat(found))
    }

    /// Something proves that the store is not the ledger that was sealed.
    package mutating func contradicted(by reason: LedgerInconsistency) -> [SealingAction] {
        switch phase {
        case .loading, .fenced: []
        case .idle, .building, .committing, .catchingUp: fence(reason)
        }
    }

    /// The counter was seen while a transaction is open, by its own failed comparison or by a read.
    mutating func observed(
        _ observation: LedgerObservation, by inFlight: InFlight, at moment: Moment
    ) -> [SealingAction] {
        phase = .committing(inFlight)
        switch compare(observation) {
        case .unchanged, .rolledBack:
            // Unchanged only comes from a failed comparison: a key that the transaction was to create exists
            // although the counter has not reached it.
            return fence(rolledBack(to: observation))
        case .ahead, .rewritten:
            // The comparison can never succeed any more. The blocks tell whether it did.
            return catchUp(to: observation, inDoubt: inFlight, at: moment)
        }
    }

    private func rolledBack(to observation: LedgerObservation) -> LedgerInconsistency {
        .rolledBack(
            known: state?.head.sequence ?? .zero, found: observation.head.sequence)
    }

    private mutating func catchUp(
        to observation: LedgerObservation, inDoubt: InFlight?, at moment: Moment
    ) -> [SealingAction] {
        guard let state else { return [] }
        let catchUp = CatchUp(observation: observation, inDoubt: inDoubt)
        phase = .catchingUp(catchUp)
        if observation.head.sequence == state.head.sequence {
            return blocksRead([], at: moment)
        }
        return [read(catchUp, from: state)]
    }

    private func read(_ catchUp: CatchUp, from state: LedgerState) -> SealingAction {
        let target = catchUp.observation
        let distance = target.head.sequence.rawValue - state.head.sequence.rawValue
        return distance > Self.reloadDistance
            ? .reload(from: state, upTo: target)
            : .readBlocks(after: state.head.sequence, upTo: target)
    }

    // MARK: Results

    /// The blocks after the known head were read.
    package mutating func blocksRead(
        _ result: CatchUpResult<[BlockDigest]>, at moment: Moment
    ) -> [SealingAction] {
        guard case .catchingUp = phase else { return [] }
        switch result {
        case .success(let blocks): return blocksRead(blocks, at: moment)
        case .unavailable: return catchUpFailed(nil, at: moment)
        case .inconsistent(let reason): return catchUpFailed(reason, at: moment)
        }
    }

    private mutating func blocksRead(
        _ blocks: [BlockDigest], at moment: Moment
    ) -> [SealingAction] {
        guard case .catchingUp(let catchUp) = phase, let known = state else { return [] }
        if let first = blocks.first, first.first.rawValue == known.head.sequence.rawValue + 1,
            first.previousHash != known.head.eventHash
        {
            return fence(rolledBack(to: catchUp.observation))
        }
        do throws(LedgerInconsistency) {
            try state?.follow(blocks, to: catchUp.observation)
        } catch {
            return catchUpFailed(error, at: moment)
        }
        return caughtUp(catchUp, firstBlock: blocks.first, at: moment)
    }

    /// The state at the observed head was read by way of the ids segments, together with the block that begins
    /// right after the head known before.
    package mutating func reloaded(
        _ result: CatchUpResult<(LedgerState, BlockDigest)>, at moment: Moment
    ) -> [SealingAction] {
        guard case .catchingUp(let catchUp) = phase, let known = state else { return [] }
        switch result {
        case .success((let reached, let firstBlock)):
            guard firstBlock.first.rawValue == known.head.sequence.rawValue + 1,
                firstBlock.previousHash == known.head.eventHash
            else { return fence(rolledBack(to: catchUp.observation)) }
            state = reached
            return caughtUp(catchUp, firstBlock: firstBlock, at: moment)
        case .unavailable:
            return catchUpFailed(nil, at: moment)
        case .inconsistent(let reason):
            return catchUpFailed(reason, at: moment)
        }
    }

    private mutating func caughtUp(
        _ catchUp: CatchUp, firstBlock: BlockDigest?, at moment: Moment
    ) -> [SealingAction] {
        storeAnswered()
        phase = .idle
        guard let inDoubt = catchUp.inDoubt else {
            return startBatch(at: moment) + reportIfDrained()
        }
        // The event hashes are a chain: the same last hash means the same events, in the same order.
        if let firstBlock, firstBlock.lastEventHash == inDoubt.proposal.head.eventHash {
            limiter.record(
                moment.now - inDoubt.sentAt, events: inDoubt.submissions.count,
                bytes: inDoubt.proposal.block.count, at: moment.now)
            return answerSealed(inDoubt, at: moment.now) + startBatch(at: moment)
                + reportIfDrained()
        }
        // It can never apply. Each event is looked up again by id when the next batch is built: sealed by another
        // replica meanwhile, it is a duplicate (PROTOCOL.md 2). Abandoned ones do not come back (6).
        queue.prepend(inDoubt.unanswered)
        backOff(at: moment.now)
        return [.reportLostRace] + startBatch(at: moment) + reportIfDrained()
    }

    /// Without the hint, a replica that loses races waits a random time that grows with each: otherwise many that
    /// seal at once starve one another (PROTOCOL.md 18).
    private mutating func backOff(at now: MonotonicInstant) {
        lostInARow += 1
        guard !hasPrecedence else { return }
        let longest = Nanoseconds.milliseconds(2) * (1 << min(Int64(lostInARow), 4))
        pausedUntil = now + Nanoseconds(randomNumber(below: longest.count))
    }

    private mutating func catchUpFailed(
        _ reason: LedgerInconsistency?, at moment: Moment
    ) -> [SealingAction] {
        guard case .catchingUp(var catchUp) = phase else { return [] }
        if let reason {
            catchUp.failures += 1
            if catchUp.failures >= Self.believedFailures { return fence(reason) }
        } else {
            storeIsUnavailable = true
        }
        catchUp.retryAt = moment.now + .milliseconds(20)
        phase = .catchingUp(catchUp)
        return []
    }

    mutating func retryOverdue(
        _ catchUp: inout CatchUp, at now: MonotonicInstant
    ) -> [SealingAction] {
        guard let retryAt = catchUp.retryAt, retryAt <= now, let state else { return [] }
        catchUp.retryAt = nil
        return [read(catchUp, from: state)]
    }
}
