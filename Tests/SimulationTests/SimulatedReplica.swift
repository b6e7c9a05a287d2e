import EtcdGateway
import LedgerCore
import LedgerStore

/// One replica: the real sealing state machine, with a driver that performs its actions in virtual time.
final class SimulatedReplica<Choice: Chooser> {
    let number: Int
    private unowned let world: World<Choice>
    private(set) var machine: SealingStateMachine
    /// Counts the lives of the replica; results that belong to an earlier one are lost.
    private var life = 0
    private var isPaused = false
    private var deferred: [() -> Void] = []
    private var alarm: Int64?
    private var answered: Set<SubmissionToken> = []
    private var open: Set<SubmissionToken> = []
    private var newestProposal: [Int: UInt64] = [:]
    var violations: [String] = []
    /// Changes what this replica's wall clock shows.
    var clockIsTrusted = true
    var lookUps = 0
    private var damagedReads = 0
    private(set) var lostRaces = 0
    private(set) var transmissions = 0

    init(number: Int, world: World<Choice>) {
        self.number = number
        self.world = world
        machine = SealingStateMachine(settings: world.settings.sealing)
    }

    private var moment: Moment {
        Moment(
            now: MonotonicInstant(nanoseconds: world.now),
            wall: clockIsTrusted
                ? .trusted(milliseconds: 1_700_000_000_000 + world.now / 1_000_000) : .untrusted)
    }

    // MARK: Life

    /// Reads the ledger and begins to seal.
    func start() async throws {
        let observation = try world.ledger.transactions.observation(
            from: world.store.apply(world.ledger.transactions.observing()))
        let state =
            observation == .empty
            ? world.emptyLedger : try await LedgerLoader(world.ledger).load(upTo: observation)
        perform(machine.loaded(state, at: moment))
    }

    /// Loses everything but what was sent. Its callers see a broken connection: unknown.
    func crash() {
        life += 1
        machine = SealingStateMachine(settings: world.settings.sealing)
        alarm = nil
        deferred = []
        isPaused = false
        for token in open { world.answered(token, .unknown) }
        open = []
    }

    /// Stops the process for a while; what was sent goes on.
    func pause(for length: Int64) {
        guard !isPaused else { return }
        isPaused = true
        let life = self.life
        world.schedule(after: length) { [self] in
            guard life == self.life else { return }
            isPaused = false
            let waiting = deferred
            deferred = []
            for event in waiting { event() }
            tick()
        }
    }

    func submit(_ submission: Submission) {
        open.insert(submission.token)
        deliver { [self] in perform(machine.submit(submission, at: moment)) }
    }

    /// What a read of the head by somebody else tells the machine.
    func follow() throws {
        guard let known = machine.state?.observation else { return }
        let observation = try world.ledger.transactions.observation(
            from: world.store.apply(world.ledger.transactions.observing()))
        deliver { [self] in
            perform(machine.noticed(observation, knownBefore: known, at: moment))
        }
    }

    // MARK: Driving

    private func deliver(_ event: @escaping () -> Void) {
        if isPaused {
            deferred.append(event)
        } else {
            event()
        }
    }

    private func later(_ delay: Int64, _ event: @escaping () async throws -> (() -> Void)?) {
        let life = self.life
        world.schedule(after: delay) { [self] in
            let result = try await event()
            guard life == self.life, let result else { return }
            deliver(result)
        }
    }

    private func perform(_ actions: [SealingAction]) {
        for action in actions {
            switch action {
            case .propose(let plan):
                later(50_000) { [self] in
                    let proposal = Proposal(plan)
                    return { [self] in perform(machine.proposed(proposal, at: moment)) }
                }
            case .transmit(let proposal, _): transmit(proposal)
            case .observe(let id, _): observe(id)
            case .readBlocks(let known, let observation): readBlocks(known, observation)
            case .reload(let known, let observation): reload(known, observation)
            case .lookUp(let submission, let candidates): lookUp(submission, candidates)
            case .answer(let token, let outcome):
                if !answered.insert(token).inserted { violations.append("\(token) answered twice") }
                open.remove(token)
                world.answered(token, outcome)
            case .reportLostRace: lostRaces += 1
            case .reportFenced, .reportDrained: break
            }
        }
        setAlarm()
    }

    private func setAlarm() {
        guard let wake = machine.nextWake?.nanoseconds else { return }
        if let alarm, alarm <= wake { return }
        alarm = wake
        later(max(0, wake - world.now)) { [self] in
            { [self] in
                if alarm == wake || world.now >= wake { tick() }
            }
        }
    }

    private func tick() {
        alarm = nil
        perform(machine.tick(at: moment))
    }

    // MARK: The store, with its faults

    private func transmit(_ proposal: Proposal) {
        transmissions += 1
        newestProposal[life] = max(newestProposal[life] ?? 0, proposal.id)
        let faults = world.settings.transmissionFaults
        let fault = faults[
            world.chooser.choose(faults.count, oddsAgainst: world.settings.oddsAgainstFaults)]
        let there = world.delay(300_000, 3_000_000)
        let back = world.delay(100_000, 2_000_000)
        let timeout = world.settings.requestTimeout
        switch fault {
        case .none:
            apply(proposal, after: there) { [self] in end(proposal, $0, after: back) }
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
            apply(proposal, after: there + back) { [self] in end(proposal, $0, after: back) }
        case .noSpaceApplied:
            apply(proposal, after: there) { [self] _ in end(proposal, .noSpace, after: back) }
        case .noSpaceNotApplied:
            end(proposal, .noSpace, after: there + back)
        case .damagedAnswer:
            apply(proposal, after: there) { [self] _ in end(proposal, .unknown, after: back) }
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
            then(transactions.result(of: response))
        }
    }

    private func end(_ proposal: Proposal, _ result: TransmissionResult, after delay: Int64) {
        later(delay) { [self] in
            { [self] in
                perform(
                    machine.transmissionEnded(proposal: proposal.id, result, at: moment))
            }
        }
    }

    /// What is damaged three times in a row is damaged in the store, and believed: 2 becomes 0 then.
    private func limited(_ fault: Int) -> Int {
        damagedReads = fault == 2 ? damagedReads + 1 : 0
        return damagedReads > 2 ? 0 : fault
    }

    private func observe(_ id: ObservationID) {
        let fault = limited(world.chooser.choose(3, oddsAgainst: world.settings.oddsAgainstFaults))
        later(world.delay(200_000, 2_000_000)) { [self] in
            let transactions = world.ledger.transactions
            let result: ObservationResult
            switch fault {
            case 0:
                result = .success(
                    try transactions.observation(
                        from: world.store.apply(transactions.observing())))
            case 1: result = .unavailable
            default: result = .malformed(.malformed("a damaged answer"))
            }
            later(world.delay(100_000, 1_000_000)) {
                { [self] in perform(machine.observed(id, result, at: moment)) }
            }
            return nil
        }
    }

    private func readBlocks(_ known: SequenceNumber, _ observation: LedgerObservation) {
        let fault = limited(world.chooser.choose(3, oddsAgainst: world.settings.oddsAgainstFaults))
        later(world.delay(300_000, 3_000_000)) { [self] in
            let result: CatchUpResult<[BlockDigest]>
            switch fault {
            case 0:
                result = .success(
                    try await LedgerLoader(world.ledger).blocks(after: known, upTo: observation))
            case 1: result = .unavailable
            default: result = .inconsistent(.malformed("a damaged answer"))
            }
            return { [self] in perform(machine.blocksRead(result, at: moment)) }
        }
    }

    private func reload(_ known: LedgerState, _ observation: LedgerObservation) {
        later(world.delay(1_000_000, 5_000_000)) { [self] in
            let loader = LedgerLoader(world.ledger)
            let first = try await loader.block(after: known.head.sequence)
            let state = try await loader.load(upTo: observation, from: known)
            return { [self] in
                perform(machine.reloaded(.success((state, first)), at: moment))
            }
        }
    }

    private func lookUp(_ submission: Submission, _ candidates: [SequenceNumber]) {
        lookUps += 1
        let fails = world.chooser.choose(2, oddsAgainst: world.settings.oddsAgainstFaults) == 1
        later(world.delay(300_000, 3_000_000)) { [self] in
            var result = LookUpResult.otherEvents(through: candidates.last ?? .zero)
            for number in candidates {
                guard let first = machine.state?.index.blockStart(containing: number),
                    let bytes = world.store.snapshot.keys[world.ledger.keys.block(first)]?.value
                else { continue }
                let events = try Block.decodeChain(bytes, first: first)
                let link = events[Int(first.distance(to: number))]
                let entry = Entry(link.entry)
                guard entry.event.eventID == submission.event.eventID else { continue }
                result = .found(SealedEntry(entry: entry, eventHash: link.eventHash))
            }
            if fails { result = .failed }
            return { [self] in perform(machine.lookedUp(submission.token, result, at: moment)) }
        }
    }
}
