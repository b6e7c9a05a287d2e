import LedgerCore
import LedgerStore
import Logging
import PrometheusExposition
import Synchronization

extension Sealer {
    /// How long one read of counter and head may take while a transaction is open.
    private static var observeTimeout: Duration { .milliseconds(250) }

    /// Performs an action and what follows from it, until nothing is left to wait for.
    func perform(_ action: SealingAction) async {
        var next: SealingAction? = action
        while let current = next {
            let followUps = await result(of: current)
            next = followUps.first
            for other in followUps.dropFirst() { performLater.yield(other) }
        }
    }

    private func result(of action: SealingAction) async -> [SealingAction] {
        switch action {
        case .propose(let plan): propose(plan)
        case .transmit(let proposal): await transmit(proposal)
        case .observe(let id): await observe(id)
        case .readBlocks(let known, let observation):
            await readBlocks(after: known, upTo: observation)
        case .reload(let known, let observation): await reload(from: known, upTo: observation)
        case .lookUp(let lookUp): await perform(lookUp)
        case .answer, .reportFenced, .reportLostRace, .reportDrained:
            []
        }
    }

    // MARK: Sealing

    private func propose(_ plan: BatchPlan) -> [SealingAction] {
        let proposal = Proposal(plan)
        let transaction = store.transactions.encode(proposal)
        metrics.batchEvents.observe(Double(proposal.records.count))
        return sendCollecting { state, moment in
            state.encoded = transaction
            return state.machine.proposed(proposal, at: moment)
        }
    }

    private func transmit(_ proposal: Proposal) async -> [SealingAction] {
        let encoded = state.withLock { $0.encoded }
        guard let encoded, encoded.proposal == proposal.id else { return [] }
        let begin = ContinuousClock.now
        let transmitted = await store.seal(encoded)
        let result = transmitted.result
        if let member = transmitted.member { recordClock(member, since: begin) }
        noticed(transmitted.hint)
        keep(proposal, result)
        if let error = transmitted.error { log(error, of: proposal) }
        return sendCollecting { state, moment in
            if case .noSpace = result { state.fullAt = .now }
            return state.machine.transmissionEnded(proposal: proposal.id, result, at: moment)
        }
    }

    /// Who follows the ledger, or asks for what was just sealed, finds it here.
    private func keep(_ proposal: Proposal, _ result: TransmissionResult) {
        guard case .applied = result else { return }
        blocks.newest.keep(
            first: proposal.first, bytes: proposal.block, events: proposal.records.count)
    }

    private func log(_ error: any Error, of proposal: Proposal) {
        logger.warning(
            "a sealing transaction was not answered as applied",
            metadata: [
                "first": "\(proposal.first)", "events": "\(proposal.records.count)",
                "error": "\(error)",
            ])
    }

    private func observe(_ id: ObservationID) async -> [SealingAction] {
        store.doubtOpenTransmissions()
        let result: ObservationResult
        let begin = ContinuousClock.now
        do throws(LedgerStoreError) {
            let observed = try await store.observe(timeout: Self.observeTimeout)
            recordClock(observed.member, since: begin)
            noticed(observed.hint)
            result = .success(observed.observation)
        } catch {
            switch error.code {
            case .unavailable: result = .unavailable
            case .inconsistent(let reason): result = .malformed(reason)
            case .unsupportedFormat(let found): result = .unknownFormat(found)
            }
        }
        return sendCollecting { state, moment in
            state.machine.observed(id, result, at: moment)
        }
    }

    // MARK: Catching up

    private func readBlocks(
        after known: SequenceNumber, upTo observation: LedgerObservation
    ) async -> [SealingAction] {
        let result: CatchUpResult<[BlockDigest]> = await Self.catchUp {
            () async throws(LedgerStoreError) in
            try await LedgerLoader(self.store.urgent).blocks(after: known, upTo: observation) {
                self.blocks.newest.keep(first: $0.first, bytes: $0.bytes, events: $1.leaves.count)
            }
        }
        return sendCollecting { state, moment in state.machine.blocksRead(result, at: moment) }
    }

    private func reload(
        from known: LedgerState, upTo observation: LedgerObservation
    ) async -> [SealingAction] {
        logger.info(
            "catching up by way of the ids segments",
            metadata: [
                "known": "\(known.head.sequence)", "head": "\(observation.head.sequence)",
            ])
        let result: CatchUpResult<(LedgerState, BlockDigest)> = await Self.catchUp {
            () async throws(LedgerStoreError) in
            let loader = LedgerLoader(self.store.urgent)
            let first = try await loader.block(after: known.head.sequence)
            // The known state has its index already.
            return (try await loader.load(upTo: observation, from: known, indexSeed: 0), first)
        }
        return sendCollecting { state, moment in state.machine.reloaded(result, at: moment) }
    }

    private static func catchUp<Value: Sendable>(
        _ read: () async throws(LedgerStoreError) -> Value
    ) async -> CatchUpResult<Value> {
        do throws(LedgerStoreError) {
            return .success(try await read())
        } catch {
            switch error.code {
            case .unavailable: return .unavailable
            case .inconsistent(let reason): return .inconsistent(reason)
            case .unsupportedFormat(let found): return .inconsistent(.unknownFormat(found))
            }
        }
    }

    // MARK: Duplicates

    /// Reads the block once, for all whose hits lie in it; a further candidate in another block is read by itself.
    private func perform(_ lookUp: LookUp) async -> [SealingAction] {
        var results: [(SubmissionToken, LookUpResult)] = []
        results.reserveCapacity(lookUp.items.count)
        do throws(LedgerRPCError) {
            let events: [SealedEntry] =
                if let block = lookUp.block { try await blocks.events(of: block) } else { [] }
            for item in lookUp.items {
                results.append((item.submission.token, try await result(of: item, among: events)))
            }
        } catch {
            logger.warning(
                "events that may be those submitted could not be read",
                metadata: ["events": "\(lookUp.items.count)", "error": "\(error)"])
            results += lookUp.items.dropFirst(results.count).map { ($0.submission.token, .failed) }
        }
        return sendCollecting { state, moment in
            state.machine.lookedUp(lookUp.block, results, at: moment)
        }
    }

    private func result(
        of item: LookUp.Item, among events: [SealedEntry]
    ) async throws(LedgerRPCError) -> LookUpResult {
        let first = events.first?.entry.sequenceNumber ?? .zero
        for number in item.candidates {
            let offset = number < first ? events.count : Int(clamping: first.distance(to: number))
            let found =
                events.indices.contains(offset)
                ? events[offset] : try await blocks.event(number, startedBy: blockStart(of: number))
            if found.entry.event.eventID == item.submission.event.eventID { return .found(found) }
        }
        return .otherEvents(through: item.candidates.last ?? .zero)
    }

    // MARK: Loading

    /// Reads the ledger, again and again until it succeeds: the service starts when etcd is down.
    func load() async throws {
        var pause = Duration.milliseconds(100)
        var failures = 0
        while !Task.isCancelled {
            do throws(LedgerStoreError) {
                guard await checkMembers() else { throw LedgerStoreError(.unavailable) }
                let begin = ContinuousClock.now
                let observed = try await store.observe(timeout: .seconds(2))
                recordClock(observed.member, since: begin)
                let known = try provisional(before: observed.observation)
                let state = try await LedgerLoader(store.urgent).load(
                    upTo: observed.observation, from: known,
                    indexSeed: .random(in: .min ... .max))
                loaded(state, took: begin.duration(to: .now))
                return
            } catch {
                switch error.code {
                case .unavailable:
                    headIsUnreadable(error)
                    await loadProvisionally()
                case .unsupportedFormat:
                    throw error
                case .inconsistent(let reason):
                    failures += 1
                    if failures >= 3 {
                        send { state, _ in state.machine.loadingFailed(reason) }
                        return
                    }
                }
                logger.warning(
                    "the ledger cannot be read yet, trying again",
                    metadata: ["error": "\(error)", "pause": "\(pause)"])
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(2))
        }
    }

    private func loaded(_ loaded: LedgerState, took duration: Duration) {
        logger.notice(
            "the ledger was read",
            metadata: ["head": "\(loaded.head.sequence)", "duration": "\(duration)"])
        send { state, moment in
            state.provisional = nil
            return state.machine.loaded(loaded, at: moment)
        }
    }

    // MARK: Members

    /// Takes what an answer shows of the member that gave it, and of the cluster.
    func recordClock(_ member: AnsweringMember, since begin: ContinuousClock.Instant) {
        cluster.store(member.clusterID, ordering: .relaxed)
        guard let date = member.dateSeconds else { return }
        clock.record(
            memberID: member.id, dateSeconds: date, roundTrip: begin.duration(to: .now))
    }
}
