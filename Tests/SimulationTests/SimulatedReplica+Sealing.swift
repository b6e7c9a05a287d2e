import EtcdGateway
import LedgerCore
import LedgerStore

/// What the sealing machine asks for, with the faults of the store.
extension SimulatedReplica {
    func perform(_ actions: [SealingAction]) {
        let life = self.life
        for action in actions where life == self.life {
            switch action {
            case .propose(let plan):
                checkWaiting(plan)
                later(50_000) { [self] in
                    let proposal = Proposal(plan)
                    return { [self] in seal { $0.proposed(proposal, at: $1) } }
                }
            case .transmit(let proposal): transmit(proposal)
            case .observe(let id): observe(id)
            case .readBlocks(let known, let observation): readBlocks(known, observation)
            case .reload(let known, let observation): reload(known, observation)
            case .lookUp(let lookUp): perform(lookUp)
            case .answer(let token, let outcome): sealed(token, outcome)
            case .reportLostRace: lostRaces += 1
            case .reportFenced: break
            case .reportDrained:
                isDrained.sealing = true
                endIfDrained()
            }
        }
    }

    private func sealed(_ token: SubmissionToken, _ outcome: SubmissionOutcome) {
        switch origins.removeValue(forKey: token) {
        case .caller: answer(token, outcome)
        case .ownReplica: send { $0.sealedHere(token, outcome, at: $1) }
        case .peer(let connection, let name): connection.reply(name, ForwardOutcome(outcome))
        case nil: violations.append("\(token) sealed or rejected twice")
        }
    }

    /// Nobody who was answered, or has called an event off, finds it in a transaction (PROTOCOL.md 6).
    private func checkWaiting(_ plan: BatchPlan) {
        for submission in plan.submissions {
            switch origins[submission.token] {
            case .caller, .ownReplica:
                if !isOpen(submission.token) {
                    violations.append("\(submission.token) was answered and is sealed now")
                }
            case .peer(let connection, let name):
                if connection.recalled.contains(name) {
                    violations.append("\(name) was recalled and is sealed now")
                }
            case nil: violations.append("\(submission.token) is sealed for nobody")
            }
        }
    }

    // MARK: The store, with its faults

    /// Asks the store something; nil where the question or the answer was lost, after a time.
    ///
    /// What was asked is done even if the replica has crashed by then.
    func ask<Value>(
        timeout: Int64, there: ClosedRange<Int64> = 200_000...2_000_000,
        back: ClosedRange<Int64> = 100_000...1_000_000,
        _ question: @escaping () async throws -> Value, then answered: @escaping (Value?) -> Void
    ) {
        let there = world.delay(there.lowerBound, there.upperBound)
        let back = world.delay(back.lowerBound, back.upperBound)
        let life = self.life
        world.schedule(after: there) { [self] in
            guard !isCutOff else {
                later(timeout, in: life) { { answered(nil) } }
                return
            }
            let value = try await question()
            later(back, in: life) { [self] in
                if isCutOff {
                    later(timeout, in: life) { { answered(nil) } }
                    return nil
                }
                return { answered(value) }
            }
        }
    }

    private func transmit(_ proposal: Proposal) {
        transmissions += 1
        newestProposal[life] = max(newestProposal[life] ?? 0, proposal.id)
        let faults = world.settings.transmissionFaults
        let fault = faults[
            world.chooser.choose(faults.count, oddsAgainst: world.settings.oddsAgainstFaults)]
        let there = world.delay(300_000, 3_000_000)
        let back = world.delay(100_000, 2_000_000)
        let timeout = world.settings.requestTimeout
        let life = self.life
        func end(_ proposal: Proposal, _ result: TransmissionResult, after delay: Int64) {
            later(delay, in: life) { [self] in
                { [self] in
                    seal { $0.transmissionEnded(proposal: proposal.id, result, at: $1) }
                }
            }
        }
        if isCutOff {
            end(proposal, .unknown, after: timeout)
            return
        }
        switch fault {
        case .none:
            apply(proposal, after: there) { [self] in
                end(proposal, $0, after: isCutOff ? timeout : back)
            }
        case .notSent, .refused:
            end(proposal, .refused, after: back)
        case .lostBefore:
            end(proposal, .unknown, after: timeout)
        case .lostAfter:
            apply(proposal, after: there) { _ in }
            end(proposal, .unknown, after: timeout)
        case .appliedLate:
            apply(proposal, after: world.delay(timeout / 4, timeout * 3)) { _ in }
            end(proposal, .unknown, after: timeout)
        case .duplicated:
            apply(proposal, after: there) { _ in }
            apply(proposal, after: there + back) { end(proposal, $0, after: back) }
        case .noSpaceApplied:
            apply(proposal, after: there) { _ in end(proposal, .noSpace, after: back) }
        case .noSpaceNotApplied:
            end(proposal, .noSpace, after: there + back)
        case .damagedAnswer:
            apply(proposal, after: there) { _ in end(proposal, .unknown, after: back) }
        }
    }

    private func apply(
        _ proposal: Proposal, after delay: Int64, then: @escaping (TransmissionResult) -> Void
    ) {
        let life = self.life
        world.schedule(after: delay) { [self] in
            let transactions = world.ledger.transactions
            let response = world.store.apply(transactions.sealing(proposal))
            if response.succeeded, let newest = newestProposal[life], newest > proposal.id {
                violations.append("\(proposal.id) was applied after \(newest) had been sent")
            }
            let hint = transactions.hint(ofLostRace: response)
            if life == self.life, hint != nil { deliver { [self] in notice(hint) } }
            then(transactions.result(of: response))
        }
    }

    /// 0 goes well, 1 is not answered, 2 is damaged. What is damaged three times before it is read well is damaged in
    /// the store, and believed: so that never happens.
    private func chooseReadFault(
        _ damaged: ReferenceWritableKeyPath<SimulatedReplica, Int>
    ) -> Int {
        let fault = world.chooser.choose(3, oddsAgainst: world.settings.oddsAgainstFaults)
        let isBelieved = fault == 2 && self[keyPath: damaged] == 2
        if fault == 0 || isBelieved {
            self[keyPath: damaged] = 0
            return 0
        }
        if fault == 2 { self[keyPath: damaged] += 1 }
        return fault
    }

    private func observe(_ id: ObservationID) {
        let fault = chooseReadFault(\.damagedHeads)
        let transactions = world.ledger.transactions
        ask(timeout: 250_000_000) { [self] in
            world.store.apply(transactions.observing())
        } then: { [self] response in
            let result: ObservationResult
            switch (fault, response) {
            case (0, let response?):
                notice(transactions.hint(ofRead: response))
                result =
                    (try? transactions.observation(from: response)).map { .success($0) }
                    ?? .unavailable
            case (1, _), (_, nil): result = .unavailable
            default: result = .malformed(.malformed("a damaged answer"))
            }
            seal { $0.observed(id, result, at: $1) }
        }
    }

    private func readBlocks(_ known: SequenceNumber, _ observation: LedgerObservation) {
        let fault = chooseReadFault(\.damagedBlocks)
        ask(timeout: 500_000_000) { [self] in
            try await LedgerLoader(world.ledger).blocks(after: known, upTo: observation)
        } then: { [self] blocks in
            let result: CatchUpResult<[BlockDigest]>
            switch (fault, blocks) {
            case (0, let blocks?): result = .success(blocks)
            case (1, _), (_, nil): result = .unavailable
            default: result = .inconsistent(.malformed("a damaged answer"))
            }
            seal { $0.blocksRead(result, at: $1) }
        }
    }

    private func reload(_ known: LedgerState, _ observation: LedgerObservation) {
        ask(timeout: 500_000_000, there: 1_000_000...5_000_000) { [self] in
            let loader = LedgerLoader(world.ledger)
            let first = try await loader.block(after: known.head.sequence)
            return (try await loader.load(upTo: observation, from: known, indexSeed: 0), first)
        } then: { [self] read in
            seal { $0.reloaded(read.map { .success($0) } ?? .unavailable, at: $1) }
        }
    }

    private func perform(_ lookUp: LookUp) {
        lookUps += lookUp.items.count
        let running = machine.lookUpCounts.running
        if running > world.settings.sealing.maxLookUps {
            violations.append("\(running) look-ups at once")
        }
        let fails = world.chooser.choose(2, oddsAgainst: world.settings.oddsAgainstFaults) == 1
        ask(timeout: 500_000_000) { [self] in
            try world.sealedEvents()
        } then: { [self] events in
            let results = lookUp.items.map { item -> (SubmissionToken, LookUpResult) in
                let token = item.submission.token
                if fails || events == nil { return (token, .failed) }
                let found = item.candidates.lazy.compactMap { events?[$0] }
                    .first { $0.entry.event.eventID == item.submission.event.eventID }
                if let found { return (token, .found(found)) }
                return (token, .otherEvents(through: item.candidates.last ?? .zero))
            }
            seal { $0.lookedUp(lookUp.block, results, at: $1) }
        }
    }
}

extension ForwardOutcome {
    /// What the forwarding service tells of an outcome.
    init(_ outcome: SubmissionOutcome) {
        self =
            switch outcome {
            case .sealed(let seal, _): .sealed(seal)
            case .duplicate(let original): .duplicate(of: original.entry.sequenceNumber)
            case .conflicting(let number, let differs):
                .conflicting(with: number, differs: differs)
            case .notSealed(let reason): .notSealed(reason)
            case .unknown: .unknown
            }
    }
}
