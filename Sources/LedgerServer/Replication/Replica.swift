package import LedgerCore
import LedgerStore
import Logging
import PrometheusExposition
import ServiceLifecycle
import Synchronization

/// Drives the replica state machine: decides for every submission whether it is sealed here or forwarded.
///
/// Actions whose order matters (what is sealed here, what goes over a link) are performed one after another, by
/// whichever thread came first; nothing is performed while the lock is held.
package final class Replica: Service, Sendable {
    struct State {
        var machine: ReplicaStateMachine
        var answers: [SubmissionToken: Sealer.Answer] = [:]
        var links: [LinkID: ForwardLink] = [:]
        var outbox: [ReplicaAction] = []
        var isPerforming = false
        var alarm = Alarm()
        var streams = StreamWaiters<CheckedContinuation<Void, Never>>()
        /// Whether the streams' loads were of all unanswered events.
        var countsUnderWay = false
        var lookUps: LookUpTurns
        var abilityVersion: UInt64 = 0
        var identity: SealerHint?
    }

    /// What a replica needs to be one among several.
    package struct Neighbourhood: Sendable {
        let greeter: Greeter
        let link: ForwardLink.Settings
        let peers: ForwardingPeers
    }

    let state: Mutex<State>
    let settings: ReplicaSettings
    let sealer: Sealer
    let store: LedgerStore
    let reader: EventReader
    let neighbourhood: Neighbourhood
    let metrics: LedgerMetrics
    let logger: Logger
    private let joining: (@Sendable () async throws -> SealerHint?)?
    private let drained = Latch()
    private let actions: AsyncStream<ReplicaAction>
    private let performLater: AsyncStream<ReplicaAction>.Continuation

    /// - Parameter joining: where others reach this replica, once that is known; nil where they never do.
    init(
        settings: ReplicaSettings, joining: (@Sendable () async throws -> SealerHint?)?,
        sealer: Sealer, store: LedgerStore,
        reader: EventReader, neighbourhood: Neighbourhood, metrics: LedgerMetrics, logger: Logger
    ) {
        self.settings = settings
        self.joining = joining
        self.sealer = sealer
        self.store = store
        self.reader = reader
        self.neighbourhood = neighbourhood
        self.metrics = metrics
        self.logger = logger
        state = Mutex(
            State(
                machine: ReplicaStateMachine(settings: settings),
                lookUps: LookUpTurns(maxRunning: settings.sealing.maxLookUps)))
        (actions, performLater) = AsyncStream.makeStream(of: ReplicaAction.self)
    }

    /// Takes part in elections and forwards until the service stops.
    package func run() async throws {
        sealer.startReporting(
            .init(
                ability: { [weak self] ability in self?.abilityChanged(ability) },
                hint: { [weak self] hint in
                    self?.send { state, now in state.machine.noticed(hint, at: now) }
                }))
        // Where nobody can hold the hint, nobody has to give way.
        sealer.setPart(hasPrecedence: joining == nil, isForwarding: false)
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                if let joining {
                    group.addTask {
                        guard let identity = try? await joining() else { return }
                        self.send { state, now in
                            state.identity = identity
                            return state.machine.join(as: identity, at: now)
                        }
                    }
                }
                for await action in self.actions {
                    group.addTask { await self.perform(action) }
                }
                group.cancelAll()
            }
        } onGracefulShutdown: {
            self.performLater.finish()
        }
        for link in state.withLock({ Array($0.links.values) }) { link.close() }
    }

    private func abilityChanged(_ new: Sealer.VersionedAbility) {
        send { state, now in
            guard new.version >= state.abilityVersion else { return [] }
            state.abilityVersion = new.version
            return state.machine.abilityChanged(new.ability, at: now)
        }
    }

    // MARK: Submitting

    /// What the caller of `submit` needs to know.
    package struct Ticket: Sendable {
        /// For `cancel`.
        package let token: SubmissionToken
        /// Whether the stream may be read further; if not, `waitForRoom` tells when.
        package let mayReadFurther: Bool
    }

    /// Submits a validated event; `answer` is called exactly once.
    ///
    /// - Parameters:
    ///   - receivedAt: from when the contract counts.
    ///   - callerDeadline: when the caller stops waiting, where it said so.
    @discardableResult
    package func submit(
        _ event: CertifiedEvent, stream: StreamID? = nil, receivedAt: MonotonicInstant,
        callerDeadline: MonotonicInstant?, answer: @escaping Sealer.Answer
    ) -> Ticket {
        let submission = Submission(
            token: sealer.makeToken(), stream: stream, event: event,
            template: EntryTemplate(event), receivedAt: receivedAt, callerDeadline: callerDeadline,
            settings: settings.sealing)
        let head = sealer.knownHead
        send { state, now in
            let actions = state.machine.submit(submission, knownHead: head, at: now)
            if case .pass? = actions.first { return actions }
            state.answers[submission.token] = answer
            return actions
        } passed: {
            sealer.submit($0, answer: answer)
        }
        return Ticket(
            token: submission.token, mayReadFurther: stream.map { mayRead($0) } ?? true)
    }

    /// The caller of a submission is gone.
    package func cancel(_ token: SubmissionToken) {
        var isKnown = true
        send { state, _ in
            let actions = state.machine.cancel(token)
            isKnown = actions != nil
            return actions ?? []
        }
        if !isKnown { sealer.cancel(token) }
    }

    private func mayRead(_ stream: StreamID) -> Bool {
        let (mayRead, sealsHere) = state.withLock {
            ($0.machine.mayRead(stream), $0.machine.sealsHere)
        }
        return mayRead && (!sealsHere || sealer.mayRead(stream))
    }

    /// Waits until a stream may be read further.
    package func waitForRoom(_ stream: StreamID) async {
        await withCheckedContinuation { continuation in
            state.withLock { state -> CheckedContinuation<Void, Never>? in
                if state.machine.mayRead(stream) { return continuation }
                state.machine.watch(stream)
                state.streams.add(stream, load: state.machine.load(of: stream), continuation)
                return nil
            }?.resume()
        }
        if state.withLock({ $0.machine.sealsHere }) { await sealer.waitForRoom(stream) }
    }

    // MARK: Showing

    /// Whether events that another replica forwards are sealed here.
    var takesForwards: Bool { state.withLock { $0.machine.takesForwards } }

    /// The hint that leads to this replica; nil until it is known where others reach it.
    var identity: SealerHint? { state.withLock { $0.identity } }

    /// What the replica does, in one word, and where the other one is that seals.
    package var part: (name: String, sealer: String?) {
        state.withLock { ($0.machine.part, $0.machine.sealerAddress) }
    }

    // MARK: Stopping

    /// Gives the hint back and waits until another replica seals, or `patience` has passed.
    package func handOver(within patience: Duration) async {
        send { state, now in state.machine.leave(at: now) }
        let end = ContinuousClock.now.advanced(by: patience)
        while !state.withLock({ $0.machine.hasHandedOver }), ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Accepts nothing new from now on; what was accepted is answered as always.
    package func beginStopping() {
        send { state, now in state.machine.stop(at: now) }
    }

    /// Returns when everything that was accepted before `beginStopping` has been answered.
    package func waitUntilDrained() async {
        await drained.wait()
    }

    // MARK: Sending events

    /// Sends an event to the state machine and performs what follows.
    func send(
        _ event: (inout State, MonotonicInstant) -> [ReplicaAction],
        passed: (Submission) -> Void = { _ in }
    ) {
        var given: [(Sealer.Answer, LedgerCore.SubmissionOutcome)] = []
        var rejected: [(Submission, NotSealedReason)] = []
        var passes: [Submission] = []
        var resumed: [CheckedContinuation<Void, Never>] = []
        var performs = false
        var isSealer: Bool?
        var isDrained = false
        var isWithdrawing = false
        state.withLock { state in
            let now = sealer.clock.now
            let wasSealer = state.machine.isSealer
            for action in event(&state, now) {
                switch action {
                // Whose event is with the sealing machine is not answered before that has heard of it.
                case .answer(let token, let outcome) where !isWithdrawing:
                    if let answer = state.answers.removeValue(forKey: token) {
                        given.append((answer, outcome))
                    }
                case .reject(let submission, let reason) where !isWithdrawing:
                    rejected.append((submission, reason))
                case .pass(let submission):
                    passes.append(submission)
                case .reportDrained:
                    isDrained = true
                case .withdraw:
                    isWithdrawing = true
                    state.outbox.append(action)
                case .answer, .reject, .sealHere, .connect, .send, .disconnect, .recall, .readHint,
                    .takeHint, .keepAlive, .giveBack, .lookUp, .readOriginal, .report:
                    state.outbox.append(action)
                }
            }
            if state.machine.isSealer != wasSealer { isSealer = state.machine.isSealer }
            resumed += Self.wakeStreams(&state)
            if let wake = state.machine.nextWake, state.alarm.isTooLate(for: wake) {
                state.alarm.set(for: wake, at: now) { [weak self] number in
                    self?.send { state, now in
                        state.alarm.rang(number) ? state.machine.tick(at: now) : []
                    }
                }
            }
            if !state.outbox.isEmpty, !state.isPerforming {
                state.isPerforming = true
                performs = true
            }
        }
        for submission in passes { passed(submission) }
        if let isSealer {
            metrics.isSealer.set(isSealer ? 1.0 : 0.0)
            sealer.setPart(hasPrecedence: isSealer, isForwarding: false)
        }
        if performs { performOutbox() }
        for (answer, outcome) in given { answer(outcome) }
        for (submission, reason) in rejected { reject(submission, reason) }
        for continuation in resumed { continuation.resume() }
        if isDrained { drained.open() }
    }

    /// Answers with a certain rejection, unless the sealing machine has the same id in an open transaction
    /// (PROTOCOL.md 3).
    private func reject(_ submission: Submission, _ reason: NotSealedReason) {
        let isOpen = sealer.mayStillSeal(submission.fingerprint)
        answer(submission.token, isOpen ? .unknown : .notSealed(reason))
    }

    private func answer(_ token: SubmissionToken, _ outcome: LedgerCore.SubmissionOutcome) {
        state.withLock { $0.answers.removeValue(forKey: token) }?(outcome)
    }

    /// Takes out the streams that may be read further now. Those that may not are not looked at one by one.
    private static func wakeStreams(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        if state.streams.isEmpty {
            state.countsUnderWay = state.machine.isCountingUnderWay
            return []
        }
        if state.machine.isCountingUnderWay != state.countsUnderWay {
            state.countsUnderWay = state.machine.isCountingUnderWay
            state.streams.changedAll { state.machine.load(of: $0) }
        }
        for stream in state.machine.takeRoomChanges() {
            state.streams.changed(stream, load: state.machine.load(of: stream))
        }
        return state.streams.resume { state.machine.mayRead(load: $0) }
            .map { stream, continuation in
                state.machine.unwatch(stream)
                return continuation
            }
    }

    /// Performs what is to be done, in order; what is added meanwhile as well.
    private func performOutbox() {
        while true {
            let actions = state.withLock { state in
                defer { state.outbox = [] }
                if state.outbox.isEmpty { state.isPerforming = false }
                return state.outbox
            }
            if actions.isEmpty { return }
            for action in actions { performNow(action) }
        }
    }

    private func performNow(_ action: ReplicaAction) {
        switch action {
        case .sealHere(let submission):
            sealer.submit(submission) { [weak self] outcome in
                self?.send { state, now in
                    state.machine.sealedHere(submission.token, outcome, at: now)
                }
            }
        case .send(let link, let submissions):
            metrics.forwardedEvents.increment(by: Int64(submissions.count))
            state.withLock { $0.links[link] }?.send(submissions)
        case .connect(let link, let hint):
            let connection = ForwardLink(
                to: hint, greeting: neighbourhood.greeter.greeting(to: hint),
                settings: neighbourhood.link, clock: sealer.clock)
            state.withLock { $0.links[link] = connection }
            performLater.yield(action)
        case .disconnect(let link):
            state.withLock { $0.links.removeValue(forKey: link) }?.close()
        case .recall(let link, let token):
            state.withLock { $0.links[link] }?.recall(token)
        case .withdraw(let token):
            sealer.cancel(token)
        case .answer(let token, let outcome):
            answer(token, outcome)
        case .reject(let submission, let reason):
            reject(submission, reason)
        case .report(let event):
            report(event)
        case .lookUp, .readOriginal:
            if state.withLock({ $0.lookUps.mayStart(action) }) { performLater.yield(action) }
            reportLookUps()
        case .readHint, .takeHint, .keepAlive, .giveBack:
            performLater.yield(action)
        case .pass, .reportDrained:
            break
        }
    }

    // MARK: Looking up

    /// One look-up has ended; the next one that somebody still waits for begins.
    func lookUpEnded() {
        let next = state.withLock { state in
            let machine = state.machine
            return state.lookUps.next { machine.awaits($0) }
        }
        if let next { performLater.yield(next) }
        reportLookUps()
    }

    private func reportLookUps() {
        let turns = state.withLock { $0.lookUps }
        metrics.setLookUps(.forwards, running: turns.running, waiting: turns.waitingCount)
    }
}
