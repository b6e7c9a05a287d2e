import LedgerCore
import LedgerStore
import Logging
import Synchronization

/// What the own sealing asks for: transactions, and reads of what others have sealed.
extension Replica {
    /// How long one read of counter and head may take while a transaction is open.
    private static var observeTimeout: Duration { .milliseconds(250) }

    func propose(_ plan: BatchPlan) -> [ReplicaEffect] {
        plan.noteSealing()
        let proposal = Proposal(plan)
        environment.observer.sealing(plan)
        return sendCollecting(.proposed(proposal))
    }

    func transmit(_ proposal: Proposal) async -> [ReplicaEffect] {
        let begin = clock.now
        let transmitted = await store.seal(store.transactions.encode(proposal))
        let result = transmitted.result
        if let member = transmitted.member { note(member, since: begin) }
        if case .applied = result {
            environment.observer.applied(after: clock.now - begin)
            // Who follows the ledger, or asks for what was just sealed, finds it here.
            environment.blocks.keep(
                first: proposal.first, bytes: proposal.block, events: proposal.records.count)
        }
        if let error = transmitted.error {
            environment.logger.warning(
                "a sealing transaction was not answered as applied",
                metadata: [
                    "first": "\(proposal.first)", "events": "\(proposal.records.count)",
                    "error": "\(error)",
                ])
        }
        return sendCollecting(
            after: transmitted.hint.map { .noticedHint($0) },
            .transmissionEnded(proposal: proposal.id, result)
        ) { state, moment in
            if case .noSpace = result { state.fullAt = moment.now }
        }
    }

    func observe(_ id: ObservationID) async -> [ReplicaEffect] {
        store.doubtOpenTransmissions()
        // Those of the transaction whose fate is read now.
        for trace in state.withLock({ $0.core.tracesInDoubt }) { trace.resolving() }
        let result: ObservationResult
        var hint: HintReading?
        let begin = clock.now
        do throws(LedgerStoreError) {
            let observed = try await store.observe(timeout: Self.observeTimeout)
            note(observed.member, since: begin)
            hint = observed.hint
            result = .success(observed.observation)
        } catch {
            switch error.code {
            case .unavailable, .archive: result = .unavailable
            case .inconsistent(let reason): result = .malformed(reason)
            case .unsupportedFormat(let found): result = .unknownFormat(found)
            }
        }
        return sendCollecting(after: hint.map { .noticedHint($0) }, .observed(id, result))
    }

    // MARK: Catching up

    func readBlocks(
        after known: SequenceNumber, upTo observation: LedgerObservation
    ) async -> [ReplicaEffect] {
        let blocks = environment.blocks
        let result: CatchUpResult<[BlockDigest]> = await Self.catchUp(environment.logger) {
            () async throws(LedgerStoreError) in
            try await LedgerLoader(self.store.urgent).blocks(after: known, upTo: observation) {
                blocks.keep(first: $0.first, bytes: $0.bytes, events: $1.leaves.count)
            }
        }
        return sendCollecting(.blocksRead(result))
    }

    func reload(
        from known: LedgerState, upTo observation: LedgerObservation
    ) async -> [ReplicaEffect] {
        environment.logger.info(
            "catching up by way of the ids segments",
            metadata: [
                "known": "\(known.head.sequence)", "head": "\(observation.head.sequence)",
            ])
        let logger = environment.logger
        let result: CatchUpResult<(LedgerState, BlockDigest)> = await Self.catchUp(logger) {
            () async throws(LedgerStoreError) in
            try await LedgerLoader(self.store.urgent).load(upTo: observation, after: known)
        }
        return sendCollecting(.reloaded(result))
    }

    private static func catchUp<Value: Sendable>(
        _ logger: Logger, _ read: () async throws(LedgerStoreError) -> Value
    ) async -> CatchUpResult<Value> {
        do throws(LedgerStoreError) {
            return .success(try await read())
        } catch {
            switch error.code {
            case .unavailable: return .unavailable
            // It says nothing against the ledger: another attempt follows.
            case .archive(let trouble):
                logger.warning(
                    "what others have sealed cannot be read yet", metadata: ["error": "\(trouble)"])
                return .unavailable
            case .inconsistent(let reason): return .inconsistent(reason)
            case .unsupportedFormat(let found): return .inconsistent(.unknownFormat(found))
            }
        }
    }

    // MARK: Duplicates

    /// Reads the block once, for all whose hits lie in it; a further candidate in another block is read by itself.
    func compare(_ lookUp: LookUp) async -> [ReplicaEffect] {
        var results: [(SubmissionToken, LookUpResult)] = []
        results.reserveCapacity(lookUp.items.count)
        do {
            let events: [SealedEntry] =
                if let block = lookUp.block {
                    try await environment.blocks.events(of: block)
                } else { [] }
            for item in lookUp.items {
                results.append((item.submission.token, try await result(of: item, among: events)))
            }
        } catch {
            environment.logger.warning(
                "events that may be those submitted could not be read",
                metadata: ["events": "\(lookUp.items.count)", "error": "\(error)"])
            results += lookUp.items.dropFirst(results.count).map { ($0.submission.token, .failed) }
        }
        return sendCollecting(.lookedUp(block: lookUp.block, results))
    }

    private func result(
        of item: LookUp.Item, among events: [SealedEntry]
    ) async throws -> LookUpResult {
        let first = events.first?.entry.sequenceNumber ?? .zero
        for number in item.candidates {
            let offset = number < first ? events.count : Int(clamping: first.distance(to: number))
            let found =
                events.indices.contains(offset)
                ? events[offset]
                : try await environment.blocks.event(number, startedBy: blockStart(of: number))
            if found.entry.event.eventID == item.submission.event.eventID { return .found(found) }
        }
        return .otherEvents(through: item.candidates.last ?? .zero)
    }

    /// Looks for a sealed event, under a number that it is known to have or under its id.
    func search(_ submission: Submission, under number: SequenceNumber?) async -> [ReplicaEffect] {
        submission.trace?.resolving()
        let result: SearchResult
        do {
            let found =
                if let number {
                    try await sealedEvent(number)
                } else {
                    try await sealedEvent(id: submission.event.eventID)
                }
            result = found.map { .found($0) } ?? .absent
        } catch {
            result = .failed
        }
        return sendCollecting(.searched(submission.token, under: number, result))
    }

    // MARK: Members

    /// Takes what an answer shows of the member that gave it, and of the cluster.
    func note(_ member: AnsweringMember, since begin: MonotonicInstant) {
        cluster.store(member.clusterID, ordering: .relaxed)
        clock.note(member, roundTrip: clock.now - begin)
    }
}
