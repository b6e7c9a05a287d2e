package import LedgerCore
package import LedgerStore
package import Logging
import PrometheusExposition
import ServiceLifecycle
import Synchronization

/// Drives the sealing state machine: it takes the lock, sends the event, releases the lock, and performs the
/// actions that come back.
///
/// Answers are given by whoever sent the event that caused them; everything that waits for etcd runs in the
/// task group of `run`.
package final class Sealer: Service, Sendable {
    /// Called once, with how the submission ended; from any thread, so it must be quick.
    package typealias Answer = @Sendable (LedgerCore.SubmissionOutcome) -> Void

    struct State {
        var machine: SealingStateMachine
        var answers: [SubmissionToken: Answer] = [:]
        /// The transaction of the open proposal.
        var encoded: SealingTransaction?
        var alarm = Alarm()
        var readers = HeadWaiters()
        var streams = StreamWaiters<CheckedContinuation<Void, Never>>()
        var lastReported: SealingCondition?
        /// When etcd was last heard to say that it has no space.
        var fullAt: ContinuousClock.Instant?
        /// The release of a member for which nothing is sealed.
        var refusedRelease: String?
        var ability = VersionedAbility(version: 0, ability: .loading)
        var reporting: Reporting?
        var isForwarding = false
        /// One member's copy of the ledger, for reads alone, until it was read from the quorum.
        var provisional: LedgerState?

        /// What reads go by.
        var readable: LedgerState? { machine.state ?? provisional }
    }

    /// Whether this replica may seal, numbered so that of two reports the newer one counts.
    package struct VersionedAbility: Sendable {
        package var version: UInt64
        package var ability: SealingAbility
    }

    /// What the sealer tells whoever decides where events are sealed.
    package struct Reporting: Sendable {
        package var ability: @Sendable (VersionedAbility) -> Void
        package var hint: @Sendable (HintReading) -> Void
    }

    let state: Mutex<State>
    let settings: SealingSettings
    private let nextToken = Atomic<UInt64>(1)
    private let nextStream = Atomic<UInt64>(1)
    /// The newest number that this replica has read or sealed.
    private let head = Atomic<UInt64>(0)
    let cluster = Atomic<UInt64>(0)
    let store: LedgerStore
    let blocks: BlockReader
    let clock: SystemClock
    let board: StatusBoard
    let metrics: LedgerMetrics
    let logger: Logger
    let checkMembers: @Sendable () async -> Bool
    private let drained = Latch()
    private let actions: AsyncStream<SealingAction>
    let performLater: AsyncStream<SealingAction>.Continuation

    /// - Parameter checkMembers: asks etcd's members how they are, and reports it with `membersChecked` before it
    ///   returns: before the ledger is loaded, and while etcd has no space. False while a member runs a release that can
    ///   lose committed transactions.
    package init(
        settings: SealingSettings, store: LedgerStore, blocks: BlockReader,
        clock: SystemClock, board: StatusBoard, metrics: LedgerMetrics,
        logger: Logger,
        checkMembers: @escaping @Sendable () async -> Bool
    ) {
        self.settings = settings
        self.store = store
        self.blocks = blocks
        self.clock = clock
        self.board = board
        self.metrics = metrics
        self.logger = logger
        self.checkMembers = checkMembers
        state = Mutex(
            State(
                machine: SealingStateMachine(
                    settings: settings, seed: .random(in: .min ... .max))))
        // Unbounded, but never longer than the lookups of a full queue and a handful of other actions.
        (actions, performLater) = AsyncStream.makeStream(of: SealingAction.self)
    }

    /// Reads the ledger, then seals until the service stops and every accepted submission is answered.
    package func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask {
                    do {
                        try await self.load()
                    } catch {
                        // The group's own body would go on waiting for actions.
                        self.performLater.finish()
                        throw error
                    }
                }
                for await action in self.actions {
                    group.addTask { await self.perform(action) }
                }
                group.cancelAll()
            }
        } onGracefulShutdown: {
            // Everybody who submits or reads has stopped by then, and every submission is answered.
            self.performLater.finish()
        }
    }

    // MARK: Submitting

    /// Gives a stream of submissions its name.
    package func makeStreamID() -> StreamID {
        StreamID(rawValue: nextStream.wrappingAdd(1, ordering: .relaxed).oldValue)
    }

    /// Gives a submission its name; names ascend.
    package func makeToken() -> SubmissionToken {
        SubmissionToken(rawValue: nextToken.wrappingAdd(1, ordering: .relaxed).oldValue)
    }

    /// The newest number that this replica has read or sealed.
    package var knownHead: SequenceNumber {
        SequenceNumber(rawValue: head.load(ordering: .relaxed))
    }

    /// etcd's cluster id; 0 while it is not known.
    package var clusterID: UInt64 { cluster.load(ordering: .relaxed) }

    /// Submits a validated event; `answer` is called exactly once.
    package func submit(_ submission: Submission, answer: @escaping Answer) {
        send { state, moment in
            state.answers[submission.token] = answer
            return state.machine.submit(submission, at: moment)
        }
    }

    /// Whether a stream may be read further; if not, `waitForRoom` tells when.
    package func mayRead(_ stream: StreamID) -> Bool {
        state.withLock { $0.machine.mayRead(stream, at: clock.now) }
    }

    /// The caller of a submission is gone.
    package func cancel(_ token: SubmissionToken) {
        send { state, _ in state.machine.cancel(token) }
    }

    /// Waits until a stream may be read further.
    package func waitForRoom(_ stream: StreamID) async {
        await withCheckedContinuation { continuation in
            state.withLock { state -> CheckedContinuation<Void, Never>? in
                let mayRead = state.machine.mayRead(stream, at: clock.now)
                if mayRead || state.machine.fence != nil {
                    return continuation
                }
                state.machine.watch(stream)
                state.streams.add(
                    stream, load: state.machine.waitingCount(of: stream), continuation)
                return nil
            }?.resume()
        }
    }

    // MARK: Stopping

    /// Refuses everything new from now on; what was accepted is answered as always.
    package func beginStopping() {
        send { state, moment in state.machine.stop(at: moment) }
    }

    /// Returns when everything that was accepted before `beginStopping` has been answered.
    package func waitUntilDrained() async {
        await drained.wait()
    }

    /// Takes out the streams that may be read further now. Those that may not are not looked at one by one.
    private static func wakeStreams(
        _ state: inout State, at now: MonotonicInstant
    ) -> [CheckedContinuation<Void, Never>] {
        for stream in state.machine.takeRoomChanges() {
            state.streams.changed(stream, load: state.machine.waitingCount(of: stream))
        }
        return state.streams.resume { state.machine.mayRead(waiting: $0, at: now) }
            .map { stream, continuation in
                state.machine.unwatch(stream)
                return continuation
            }
    }

    // MARK: Sending events

    /// Sends an event to the state machine and does at once what needs no waiting.
    func send(_ event: (inout State, Moment) -> [SealingAction]) {
        for action in sendCollecting(event) { performLater.yield(action) }
    }

    /// As `send`, but returns the actions that wait for etcd, for the caller to perform.
    func sendCollecting(
        _ event: (inout State, Moment) -> [SealingAction]
    ) -> [SealingAction] {
        var waiting: [SealingAction] = []
        var given: [(Answer, LedgerCore.SubmissionOutcome)] = []
        var resumed: [CheckedContinuation<Void, Never>] = []
        var changed: (VersionedAbility, Reporting)?
        var isDrained = false
        state.withLock { state in
            // The moment is taken under the lock: events must not be older than those before them.
            let moment = clock.moment
            let actions = event(&state, moment)
            for action in actions {
                switch action {
                case .answer(let token, let outcome):
                    if let answer = state.answers.removeValue(forKey: token) {
                        given.append((answer, outcome))
                    }
                case .reportFenced(let reason):
                    logger.critical("sealing has stopped", metadata: ["reason": "\(reason)"])
                case .reportLostRace:
                    metrics.lostRaces.increment()
                case .reportDrained:
                    isDrained = true
                case .propose, .transmit, .observe, .readBlocks, .reload, .lookUp:
                    waiting.append(action)
                }
            }
            if let head = state.machine.state?.head.sequence {
                self.head.store(head.rawValue, ordering: .relaxed)
            }
            resumed += state.readers.resumeAll(upTo: state.machine.state?.head.sequence)
            resumed += Self.wakeStreams(&state, at: moment.now)
            if let wake = state.machine.nextWake, state.alarm.isTooLate(for: wake) {
                state.alarm.set(for: wake, at: moment.now) { [weak self] number in
                    self?.send { state, moment in
                        state.alarm.rang(number) ? state.machine.tick(at: moment) : []
                    }
                }
            }
            report(&state, at: moment)
            changed = abilityChange(&state, at: moment)
        }
        if let (ability, reporting) = changed { reporting.ability(ability) }
        for (answer, outcome) in given { answer(outcome) }
        for continuation in resumed { continuation.resume() }
        if isDrained { drained.open() }
        return waiting
    }
}
