import LedgerCore
import LedgerStore

/// One replica: the real state machines, with a driver that performs their actions in virtual time as the
/// service's does.
final class SimulatedReplica<Choice: Chooser> {
    /// Where the sealing machine's answer to a submission goes.
    enum Origin {
        case caller
        case ownReplica
        case peer(SimulatedConnection<Choice>, SubmissionToken)
    }

    let number: Int
    unowned let world: World<Choice>
    var machine: SealingStateMachine
    var replica: ReplicaStateMachine
    /// Counts the lives of the replica; results that belong to an earlier one are lost.
    private(set) var life = 0
    private(set) var isRunning = false
    /// It gives the hint back, and will stop.
    private(set) var isLeaving = false
    /// Nothing new is taken from callers any more.
    private(set) var isStopping = false
    private(set) var isPaused = false
    private var deferred: [() -> Void] = []
    /// How far this life's monotonic clock is ahead of the world's.
    private var clockAhead: Int64 = 0
    private var alarm: Int64?
    private var replicaAlarm: Int64?
    /// Caller's submissions that are not answered.
    private var open: Set<SubmissionToken> = []
    /// Whether the wall clock agrees with most members'.
    var clockIsTrusted = true
    /// Whether requests to the store are lost.
    var isCutOff = false
    var violations: [String] = []

    // What the performing of actions keeps.
    var origins: [SubmissionToken: Origin] = [:]
    var outbox: [ReplicaAction] = []
    var isPerforming = false
    var links: [LinkID: SimulatedConnection<Choice>] = [:]
    var peers: [SimulatedConnection<Choice>] = []
    var ability = SealingAbility.loading
    var newestProposal: [Int: UInt64] = [:]
    var damagedHeads = 0
    var damagedBlocks = 0
    var isDrained = (sealing: false, replica: false)

    // What is counted.
    var lookUps = 0
    var lostRaces = 0
    var transmissions = 0
    var forwards = 0

    init(number: Int, world: World<Choice>) {
        self.number = number
        self.world = world
        machine = SealingStateMachine(settings: world.settings.sealing)
        replica = ReplicaStateMachine(
            settings: ReplicaSettings(identity: nil, sealing: world.settings.sealing))
    }

    var now: MonotonicInstant {
        MonotonicInstant(nanoseconds: world.now + clockAhead)
    }

    var moment: Moment {
        Moment(
            now: now,
            wall: clockIsTrusted
                ? .trusted(milliseconds: 1_700_000_000_000 + world.now / 1_000_000) : .untrusted)
    }

    var hint: SealerHint { SealerHint(address: "replica-\(number):50052", id: "\(number).\(life)") }

    // MARK: Life

    /// Reads the ledger and begins to seal, or to take part.
    func start() async throws {
        beginLife()
        let life = self.life
        if world.settings.forwards {
            send { [self] in $0.join(as: hint, at: $1) }
            followHead()
        }
        let observation = try world.ledger.transactions.observation(
            from: world.store.apply(world.ledger.transactions.observing()))
        let state =
            observation == .empty
            ? world.emptyLedger
            : try await LedgerLoader(world.ledger).load(upTo: observation, indexSeed: 7)
        guard life == self.life else { return }
        seal { $0.loaded(state, at: $1) }
    }

    private func beginLife() {
        life += 1
        isRunning = true
        isStopping = false
        isDrained = (false, false)
        let seed = UInt64(life * 1_000 + number)
        machine = SealingStateMachine(settings: world.settings.sealing, seed: seed)
        replica = ReplicaStateMachine(
            settings: ReplicaSettings(identity: nil, sealing: world.settings.sealing))
        machine.hasPrecedence = !world.settings.forwards
        clockAhead = world.settings.forwards ? world.delay(-1_000_000_000, 3_600_000_000_000) : 0
        ability = .loading
    }

    /// Loses everything but what was sent. Its callers see a broken connection: unknown.
    ///
    /// - Parameter silently: whether other replicas hear nothing of it, as when a machine loses its power.
    func crash(silently: Bool = false) {
        guard isRunning else { return }
        endLife()
        let connections = Array(links.values) + peers
        for connection in connections.sorted(by: { $0.number < $1.number }) {
            connection.lose(by: self, silently: silently)
        }
        links = [:]
        peers = []
        for token in open.sorted(by: { $0.rawValue < $1.rawValue }) {
            world.lost(token)
        }
        open = []
    }

    private func endLife() {
        isRunning = false
        isLeaving = false
        life += 1
        alarm = nil
        replicaAlarm = nil
        deferred = []
        isPaused = false
        origins = [:]
        outbox = []
    }

    /// Gives the hint back, and when another replica seals, or after some time, stops as the service does.
    func stop() {
        guard isRunning, !isLeaving else { return }
        isLeaving = true
        deliver { [self] in
            send { $0.leave(at: $1) }
            waitForHandOver(until: world.now + 300_000_000)
        }
    }

    private func waitForHandOver(until end: Int64) {
        guard replica.hasHandedOver || world.now >= end else {
            later(5_000_000) { [self] in { [self] in waitForHandOver(until: end) } }
            return
        }
        isStopping = true
        seal { $0.stop(at: $1) }
        send { $0.stop(at: $1) }
        endIfDrained()
    }

    func endIfDrained() {
        guard isRunning, isStopping, isDrained.sealing, isDrained.replica else { return }
        // Not before the answers are given that belong to what has just happened.
        later(1_000) { [self] in
            { [self] in
                if !open.isEmpty {
                    violations.append("\(number) has drained with \(open.count) open")
                }
                crash()
            }
        }
    }

    /// Stops the process for a while; what was sent goes on.
    func pause(for length: Int64) {
        guard !isPaused, isRunning else { return }
        isPaused = true
        world.allowAnswers(of: number, later: length)
        let life = self.life
        world.schedule(after: length) { [self] in
            guard life == self.life else { return }
            isPaused = false
            let waiting = deferred
            deferred = []
            for event in waiting where life == self.life { event() }
            tick()
            tickReplica()
        }
    }

    // MARK: Callers

    /// - Parameter make: makes the submission when the process has read the call.
    func submit(_ token: SubmissionToken, _ make: @escaping (MonotonicInstant) -> Submission) {
        open.insert(token)
        deliver { [self] in
            let submission = make(now)
            send { [self] in
                $0.submit(submission, knownHead: machine.state?.head.sequence ?? .zero, at: $1)
            }
        }
    }

    /// The caller is gone.
    func cancel(_ token: SubmissionToken) {
        deliver { [self] in
            guard open.contains(token) else { return }
            var isKnown = true
            send { machine, _ in
                let actions = machine.cancel(token)
                isKnown = actions != nil
                return actions ?? []
            }
            if !isKnown { seal { machine, _ in machine.cancel(token) } }
        }
    }

    func isOpen(_ token: SubmissionToken) -> Bool { open.contains(token) }

    func mayRead(_ stream: StreamID) -> Bool {
        guard isRunning, !isPaused, replica.mayRead(stream) else { return false }
        return !replica.sealsHere || machine.mayRead(stream, at: now)
    }

    func answer(_ token: SubmissionToken, _ outcome: SubmissionOutcome) {
        guard open.remove(token) != nil else {
            violations.append("\(token) answered twice")
            return
        }
        if case .notSealed(let reason) = outcome,
            machine.mayStillSeal(Fingerprint(of: world.event(of: token).eventID))
        {
            violations.append("\(token) was rejected with \(reason), but its id may be sealed now")
        }
        world.answered(token, outcome)
    }

    // MARK: Following

    /// What a read of the head by somebody else tells the machines.
    func follow() throws {
        guard isRunning, let known = machine.state?.observation else { return }
        let response = world.store.apply(world.ledger.transactions.observing())
        let observation = try world.ledger.transactions.observation(from: response)
        let hint = world.ledger.transactions.hint(ofRead: response)
        deliver { [self] in
            notice(hint)
            seal { $0.noticed(observation, knownBefore: known, at: $1) }
        }
    }

    /// Reads the head every second.
    private func followHead() {
        later(world.delay(900_000_000, 1_000_000_000)) { [self] in
            if !isCutOff { try follow() }
            return { [self] in followHead() }
        }
    }

    func notice(_ hint: HintReading?) {
        guard let hint, world.settings.forwards else { return }
        send { $0.noticed(hint, at: $1) }
    }

    // MARK: Driving

    func deliver(_ event: @escaping () -> Void) {
        if isPaused {
            deferred.append(event)
        } else {
            event()
        }
    }

    /// What happens after a time; what it returns happens in the process, unless that life is over by then.
    func later(
        _ delay: Int64, in life: Int? = nil,
        _ event: @escaping () async throws -> (() -> Void)?
    ) {
        let life = life ?? self.life
        world.schedule(after: delay) { [self] in
            let result = try await event()
            guard life == self.life, let result else { return }
            deliver(result)
        }
    }

    /// Sends an event to the sealing machine and performs what follows.
    func seal(_ event: (inout SealingStateMachine, Moment) -> [SealingAction]) {
        let moment = self.moment
        let actions = event(&machine, moment)
        setAlarm()
        reportAbility(at: moment)
        perform(actions)
    }

    /// Sends an event to the replica machine and performs what follows.
    func send(_ event: (inout ReplicaStateMachine, MonotonicInstant) -> [ReplicaAction]) {
        let actions = event(&replica, now)
        machine.hasPrecedence = !world.settings.forwards || replica.isSealer
        setReplicaAlarm()
        perform(actions)
    }

    private func reportAbility(at moment: Moment) {
        let new: SealingAbility =
            if machine.fence != nil {
                .fenced
            } else if machine.isLoading {
                .loading
            } else if !moment.wall.isTrusted {
                .clockUntrusted
            } else if machine.isInDoubt(at: moment.now) {
                .stuck
            } else {
                .able
            }
        guard new != ability else { return }
        ability = new
        send { $0.abilityChanged(new, at: $1) }
    }

    private func setAlarm() {
        guard let wake = machine.nextWake?.nanoseconds else { return }
        if let alarm, alarm <= wake { return }
        alarm = wake
        later(max(0, wake - now.nanoseconds)) { [self] in
            { [self] in
                if alarm == wake || now.nanoseconds >= wake { tick() }
            }
        }
    }

    private func setReplicaAlarm() {
        guard let wake = replica.nextWake?.nanoseconds else { return }
        if let replicaAlarm, replicaAlarm <= wake { return }
        replicaAlarm = wake
        later(max(0, wake - now.nanoseconds)) { [self] in
            { [self] in
                if replicaAlarm == wake || now.nanoseconds >= wake { tickReplica() }
            }
        }
    }

    private func tick() {
        guard isRunning else { return }
        alarm = nil
        seal { $0.tick(at: $1) }
    }

    private func tickReplica() {
        guard isRunning else { return }
        replicaAlarm = nil
        send {
            let actions = $0.tick(at: $1)
            if let wake = $0.nextWake, wake <= $1 {
                violations.append("replica \(number) asks in \($0.part) to be woken in the past")
            }
            return actions
        }
    }
}
