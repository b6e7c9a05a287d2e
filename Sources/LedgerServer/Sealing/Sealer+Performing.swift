import EtcdGateway
import LedgerCore
import LedgerStore
import Logging
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
        case .transmit(let proposal, let elsewhere):
            await transmit(proposal, elsewhere: elsewhere)
        case .observe(let id, let elsewhere): await observe(id, elsewhere: elsewhere)
        case .readBlocks(let known, let observation):
            await readBlocks(after: known, upTo: observation)
        case .reload(let known, let observation): await reload(from: known, upTo: observation)
        case .lookUp(let submission, let candidates):
            await lookUp(submission, candidates: candidates)
        case .answer, .reportFenced, .reportLostRace, .reportDrained:
            []
        }
    }

    // MARK: Sealing

    private func propose(_ plan: BatchPlan) -> [SealingAction] {
        let proposal = Proposal(plan)
        let transaction = EtcdEncodedTransaction(store.transactions.sealing(proposal))
        metrics.batchEvents.observe(Double(proposal.records.count))
        return sendCollecting { state, moment in
            state.encoded = (proposal.id, transaction)
            return state.machine.proposed(proposal, at: moment)
        }
    }

    private func transmit(_ proposal: Proposal, elsewhere: Bool) async -> [SealingAction] {
        let encoded = state.withLock { $0.encoded }
        guard let encoded, encoded.proposal == proposal.id else { return [] }
        let avoiding = elsewhere ? lastAnswering : nil
        let begin = ContinuousClock.now
        let result: TransmissionResult
        do throws(EtcdError) {
            let response = try await client.transaction(
                encoded: encoded.transaction, options: EtcdRequestOptions(avoiding: avoiding))
            recordClock(response.header, since: begin)
            state.withLock { $0.lastAnswering = response.header.endpoint }
            noticed(store.transactions.hint(ofLostRace: response))
            result = store.transactions.result(of: response)
            keep(proposal, result)
        } catch {
            log(error, of: proposal)
            result = store.transactions.result(of: error)
        }
        return sendCollecting { state, moment in
            state.machine.transmissionEnded(proposal: proposal.id, result, at: moment)
        }
    }

    /// Who follows the ledger, or asks for what was just sealed, finds it here.
    private func keep(_ proposal: Proposal, _ result: TransmissionResult) {
        guard case .applied = result else { return }
        blocks.newest.keep(
            first: proposal.first, bytes: proposal.block, events: proposal.records.count)
    }

    private func log(_ error: EtcdError, of proposal: Proposal) {
        logger.warning(
            "a sealing transaction was not answered as applied",
            metadata: [
                "first": "\(proposal.first)", "events": "\(proposal.records.count)",
                "error": "\(error)",
            ])
    }

    private func observe(_ id: ObservationID, elsewhere: Bool) async -> [SealingAction] {
        let result: ObservationResult
        let begin = ContinuousClock.now
        do throws(LedgerStoreError) {
            let observed = try await store.observe(
                options: EtcdRequestOptions(
                    deadline: begin.advanced(by: Self.observeTimeout),
                    avoiding: elsewhere ? lastAnswering : nil))
            recordClock(observed.header, since: begin)
            noticed(observed.hint)
            result = .success(observed.observation)
        } catch {
            switch error.code {
            case .unavailable: result = .unavailable
            case .inconsistent(let reason): result = .malformed(reason)
            case .unsupportedFormat: result = .malformed(.malformed("\(error)"))
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
            return (try await loader.load(upTo: observation, from: known), first)
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
            case .unsupportedFormat: return .inconsistent(.malformed("\(error)"))
            }
        }
    }

    // MARK: Duplicates

    private func lookUp(
        _ submission: Submission, candidates: [SequenceNumber]
    ) async -> [SealingAction] {
        var result = LookUpResult.otherEvents(through: candidates.last ?? .zero)
        do throws(LedgerRPCError) {
            for number in candidates {
                let found = try await blocks.event(number, startedBy: blockStart(of: number))
                if found.entry.event.eventID == submission.event.eventID {
                    result = .found(found)
                    break
                }
            }
        } catch {
            logger.warning(
                "an event that may be the one submitted could not be read",
                metadata: ["error": "\(error)"])
            result = .failed
        }
        return sendCollecting { state, moment in
            state.machine.lookedUp(submission.token, result, at: moment)
        }
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
                let observed = try await store.observe(
                    options: EtcdRequestOptions(deadline: begin.advanced(by: .seconds(2))))
                recordClock(observed.header, since: begin)
                let known = try provisional(before: observed.observation)
                let state = try await LedgerLoader(store.urgent).load(
                    upTo: observed.observation, from: known)
                loaded(state, took: begin.duration(to: .now))
                return
            } catch {
                switch error.code {
                case .unavailable:
                    noteQuorum(lost: true)
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
            state.lostQuorum = false
            state.provisional = nil
            return state.machine.loaded(loaded, at: moment)
        }
    }

    // MARK: Members

    /// The member that answered last, which is the one that the open transmission went to: the client stays
    /// with a member that answers. Resolving asks another (PROTOCOL.md 15).
    private var lastAnswering: EtcdEndpoint? {
        state.withLock { $0.lastAnswering }
    }

    func recordClock(_ header: EtcdResponseHeader, since begin: ContinuousClock.Instant) {
        cluster.store(header.clusterID, ordering: .relaxed)
        guard let date = header.date else { return }
        clock.record(
            memberID: header.memberID, dateSeconds: date, roundTrip: begin.duration(to: .now))
    }
}
