package import LedgerCore
import LedgerStore
import ServiceLifecycle
import Synchronization

/// Drives the core: it takes the lock, sends the event, releases the lock, and performs the effects that come back.
///
/// Callers are told by whoever sent the event that caused their answers. Effects whose order matters (what goes over a
/// link, what observers are told) are performed one after another by whichever thread came first; everything that waits
/// for etcd or for another replica runs in the task group of `run`. Nothing is logged, measured or resumed under the lock.
package final class Replica: Service, Sendable {
    struct State {
        var core: ReplicaCore
        var alarm = Alarm()
        var links: [LinkID: any ReplicaLink] = [:]
        /// What is performed in order.
        var outbox: [Ordered] = []
        var isPerforming = false
        var streams = StreamWaiters<@Sendable () -> Void>()
        /// Whether the streams' loads were of all unanswered events.
        var countsUnderWay = false
        var readers = HeadWaiters()
        /// When etcd was last heard to say that it has no space.
        var fullAt: MonotonicInstant?
        /// The release of a member for which nothing is sealed.
        var refusedRelease: String?
        /// The key `fence` as it was read last.
        var storedFence: LedgerStore.StoredFence?
        /// The revision that the key had when this replica was fenced; nil while it is not.
        var fencedAt: Revision?
        /// One member's copy of the ledger, for reads alone, until it was read from the quorum.
        var provisional: LedgerState?
        /// While the ledger is loaded from the quorum, how far that has come.
        var loading: LoadingProgress?
        var lastProgress = MonotonicInstant(nanoseconds: 0)
        var lastCondition: ReplicaCondition?
        /// Threads that have answers to tell.
        var telling = 0
        /// Everything accepted is answered, or about to be told so.
        var isDrained = false

        /// What reads go by.
        var readable: LedgerState? { core.state ?? provisional }

        /// Up to where events can be read by number.
        var readableNumber: SequenceNumber? {
            if let readable { return readable.head.sequence }
            return loading.flatMap { $0.servesReads ? $0.head : nil }
        }
    }

    enum Ordered: Sendable {
        case connect(LinkID, SealerHint)
        case send(LinkID, [Submission])
        case recall(LinkID, [SubmissionToken])
        case disconnect(LinkID)
        case report(ReplicaReport, part: String)
        case changed(ReplicaCondition)
    }

    /// What is left to do after an event, once the lock is released.
    private struct Remainder {
        /// For the task group, or for the task that sent the event.
        var waiting: [ReplicaEffect] = []
        var answers: [SubmissionAnswer] = []
        var resumed: [CheckedContinuation<Void, Never>] = []
        /// Tell streams that they may be read further.
        var wakings: [@Sendable () -> Void] = []
        var performs = false
        /// Whether everything is answered, nothing will follow, and nobody has anything to tell.
        var isLast = false
    }

    let state: Mutex<State>
    package let settings: ReplicaSettings
    let environment: ReplicaEnvironment
    /// Reads counter and head for everybody who needs the newest.
    package let heads: HeadObserver
    private let joining: (@Sendable () async throws -> SealerHint?)?
    let nextToken = Atomic<UInt64>(1)
    let nextStream = Atomic<UInt64>(1)
    let cluster = Atomic<UInt64>(0)
    let drained = Latch()
    private let effects: AsyncStream<ReplicaEffect>
    private let later: AsyncStream<ReplicaEffect>.Continuation

    var clock: any ReplicaClock { environment.clock }
    var store: LedgerStore { environment.store }

    /// - Parameter joining: where others reach this replica, once that is known; nil where they never do.
    package init(
        settings: ReplicaSettings, environment: ReplicaEnvironment,
        joining: (@Sendable () async throws -> SealerHint?)? = nil
    ) {
        self.settings = settings
        self.environment = environment
        self.joining = joining
        heads = HeadObserver(clock: environment.clock)
        state = Mutex(State(core: ReplicaCore(settings: settings, seed: environment.random())))
        // Unbounded, but never longer than the look-ups that may run and a handful of other effects.
        (effects, later) = AsyncStream.makeStream(of: ReplicaEffect.self)
    }

    /// Reads the ledger, then seals, forwards and takes part in elections until the service stops and every accepted
    /// submission is answered.
    package func run() async throws {
        // Everybody who submits or reads has stopped by the time of a graceful shutdown, and every submission is answered.
        try await withGracefulShutdownHandler {
            try await withTaskExecutorPreference(environment.executors.brief) {
                try await self.work()
            }
        } onGracefulShutdown: {
            self.later.finish()
        }
        heads.finish()
        let links = state.withLock { state in
            defer { state.links = [:] }
            return state.links.sorted { $0.key.rawValue < $1.key.rawValue }
        }
        for (_, link) in links { link.close() }
    }

    private func work() async throws {
        let long = environment.executors.long
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask(executorPreference: long) {
                do {
                    try await self.load()
                } catch {
                    // The group's own body would go on waiting for effects.
                    self.later.finish()
                    throw error
                }
            }
            group.addTask {
                await self.heads.run(known: { self.coveredNumber }) { await self.readHead() }
            }
            group.addTask { await self.heads.keepAsking(asksMembers: self.askFullStore) }
            if let joining {
                group.addTask {
                    guard let identity = try? await joining() else { return }
                    self.send(.joined(as: identity))
                }
            }
            for await effect in self.effects {
                let isBrief = effect.isBrief
                group.addTask(executorPreference: isBrief ? nil : long) {
                    await self.perform(effect, isBrief: isBrief)
                }
            }
            group.cancelAll()
        }
    }

    // MARK: Sending events

    /// Sends an event to the core and does at once what needs no waiting.
    ///
    /// - Parameter also: done under the same lock, after the event.
    func send(_ event: ReplicaEvent, also: (inout State, Moment) -> Void = { _, _ in }) {
        for effect in sendCollecting(event, also: also) { later.yield(effect) }
    }

    /// As `send`, but returns the effects that wait for something, for the caller to perform.
    ///
    /// - Parameter earlier: what happened before the event, and was learnt together with it.
    func sendCollecting(
        after earlier: ReplicaEvent? = nil, _ event: ReplicaEvent,
        also: (inout State, Moment) -> Void = { _, _ in }
    ) -> [ReplicaEffect] {
        let remainder = state.withLock { state in
            // The moment is taken under the lock: events must not be older than those before them.
            let moment = clock.moment
            let first = earlier.map { state.core.handle($0, at: moment) }
            var effects = state.core.handle(event, at: moment)
            if let first { effects = first + effects }
            also(&state, moment)
            return settle(effects, &state, at: moment)
        }
        Self.tell(remainder.answers)
        if remainder.performs { performOutbox() }
        for continuation in remainder.resumed { continuation.resume() }
        for wake in remainder.wakings { wake() }
        if told(remainder) { drained.open() }
        return remainder.waiting
    }

    /// What an event has caused is told.
    ///
    /// - Returns: whether nothing is left to tell, and nothing will follow.
    private func told(_ remainder: Remainder) -> Bool {
        if remainder.answers.isEmpty { return remainder.isLast }
        return state.withLock { state in
            state.telling -= 1
            return state.isDrained && state.telling == 0
        }
    }

    private func settle(
        _ effects: [ReplicaEffect], _ state: inout State, at moment: Moment
    ) -> Remainder {
        var remainder = Remainder()
        for effect in effects {
            switch effect {
            case .answer(let answers): remainder.answers += answers
            case .connect(let link, let hint): state.outbox.append(.connect(link, hint))
            case .send(let link, let submissions): state.outbox.append(.send(link, submissions))
            case .recall(let link, let tokens): state.outbox.append(.recall(link, tokens))
            case .disconnect(let link): state.outbox.append(.disconnect(link))
            case .report(let report):
                state.outbox.append(.report(report, part: state.core.part))
            case .drained: state.isDrained = true
            case .propose, .transmit, .observe, .readBlocks, .reload, .lookUp, .search, .readHint,
                .takeHint, .keepAlive, .giveBack, .handOver:
                remainder.waiting.append(effect)
            }
        }
        if !remainder.answers.isEmpty { state.telling += 1 }
        remainder.isLast = state.isDrained && state.telling == 0
        if state.core.fence != nil, state.fencedAt == nil {
            state.fencedAt = state.storedFence?.revision ?? .absent
        }
        note(condition(state, at: moment), &state)
        remainder.resumed = state.readers.resumeAll(upTo: state.core.state?.head.sequence)
        remainder.wakings = Self.wakeStreams(&state, at: moment.now)
        if let wake = state.core.nextWake, state.alarm.isTooLate(for: wake) {
            state.alarm.set(for: wake, at: moment.now, on: environment.timers) {
                [weak self] number in self?.ring(number)
            }
        }
        if !state.outbox.isEmpty, !state.isPerforming {
            state.isPerforming = true
            remainder.performs = true
        }
        return remainder
    }

    private func ring(_ number: UInt64) {
        guard state.withLock({ $0.alarm.rang(number) }) else { return }
        send(.tick)
    }

    private func note(_ condition: ReplicaCondition, _ state: inout State) {
        if condition == state.lastCondition { return }
        state.lastCondition = condition
        state.outbox.append(.changed(condition))
    }

    private func condition(_ state: State, at moment: Moment) -> ReplicaCondition {
        ReplicaCondition(
            number: state.readableNumber ?? .zero,
            obstacle: state.core.obstacle(at: moment), fence: state.core.fence,
            isUnreadable: state.core.isUnreadable, isLoading: state.core.isLoading,
            refusedRelease: state.refusedRelease, isForwarding: state.core.isForwarding,
            isSealer: state.core.isSealer, provisional: state.provisional?.head.sequence,
            loading: state.core.isLoading ? state.loading : nil)
    }

    /// Takes out the streams that may be read further now. Those that may not are not looked at one by one.
    private static func wakeStreams(
        _ state: inout State, at now: MonotonicInstant
    ) -> [@Sendable () -> Void] {
        let countsUnderWay = state.core.isCountingUnderWay
        defer { state.countsUnderWay = countsUnderWay }
        if state.streams.isEmpty { return [] }
        if countsUnderWay != state.countsUnderWay {
            state.streams.changedAll { state.core.load(of: $0) }
        }
        for stream in state.core.takeRoomChanges() {
            state.streams.changed(stream, load: state.core.load(of: stream))
        }
        return state.streams.resume { state.core.mayRead(load: $0, at: now) }
            .map { stream, go in
                state.core.unwatch(stream)
                return go
            }
    }

    /// Tells every caller all of its answers at once, in the order in which they were decided.
    private static func tell(_ answers: [SubmissionAnswer]) {
        guard let first = answers.first else { return }
        for answer in answers { answer.submission.trace?.settled(answer.outcome) }
        if answers.count == 1 {
            first.submission.caller.settle(answers)
            return
        }
        var places: [ObjectIdentifier: Int] = [:]
        var groups: [[SubmissionAnswer]] = []
        for answer in answers {
            let caller = ObjectIdentifier(answer.submission.caller)
            if let place = places[caller] {
                groups[place].append(answer)
            } else {
                places[caller] = groups.count
                groups.append([answer])
            }
        }
        for group in groups { group[0].submission.caller.settle(group) }
    }

    // MARK: Performing in order

    /// Performs what is to be done, in order; what is added meanwhile as well.
    private func performOutbox() {
        while true {
            let ordered = state.withLock { state in
                defer { state.outbox = [] }
                if state.outbox.isEmpty { state.isPerforming = false }
                return state.outbox
            }
            if ordered.isEmpty { return }
            for effect in ordered { perform(effect) }
        }
    }

    private func perform(_ ordered: Ordered) {
        let observer = environment.observer
        switch ordered {
        case .connect(let link, let hint):
            let connection = environment.links.link(
                to: hint, known: knownObservation, clusterID: clusterID)
            state.withLock { $0.links[link] = connection }
            later.yield(.connect(link, hint))
        case .send(let link, let submissions):
            observer.forwarding(events: submissions.count)
            for submission in submissions { submission.trace?.forwarding() }
            state.withLock { $0.links[link] }?.send(submissions)
        case .recall(let link, let tokens): state.withLock { $0.links[link] }?.recall(tokens)
        case .disconnect(let link):
            state.withLock { $0.links.removeValue(forKey: link) }?.close()
        case .report(let report, let part): observer.reported(report, part: part)
        case .changed(let condition): observer.changed(condition)
        }
    }

    /// Performs an effect that waits for something, and what follows from it, until nothing is left to wait for here.
    private func perform(_ effect: ReplicaEffect, isBrief: Bool) async {
        var next: ReplicaEffect? = effect
        while let current = next {
            next = nil
            for followUp in await result(of: current) {
                if next == nil, followUp.isBrief || !isBrief {
                    next = followUp
                } else {
                    later.yield(followUp)
                }
            }
        }
    }

    private func result(of effect: ReplicaEffect) async -> [ReplicaEffect] {
        switch effect {
        case .propose(let plan): propose(plan)
        case .transmit(let proposal): await transmit(proposal)
        case .observe(let id): await observe(id)
        case .readBlocks(let known, let observation):
            await readBlocks(after: known, upTo: observation)
        case .reload(let known, let observation): await reload(from: known, upTo: observation)
        case .lookUp(let lookUp): await compare(lookUp)
        case .search(let submission, let number): await search(submission, under: number)
        case .connect(let link, let hint): await serve(link, of: hint)
        case .readHint: await readHint()
        case .takeHint(let attempt): await takeHint(attempt)
        case .keepAlive(let lease): await keepAlive(lease)
        case .giveBack(let lease): await giveBack(lease)
        case .handOver(let lease, let revision, let successor):
            await handOver(lease, hintRevision: revision, to: successor)
        case .answer, .send, .recall, .disconnect, .report, .drained: []
        }
    }
}

extension ReplicaEffect {
    /// So many events are hashed and encoded in less time than a change of threads takes to pay.
    private static let briefBatch = 8
    private static let briefBytes = 8 << 10

    /// Whether performing it keeps a processor busy for a moment only, whatever it waits for.
    fileprivate var isBrief: Bool {
        switch self {
        case .propose(let plan):
            plan.submissions.count <= Self.briefBatch
                && plan.submissions.reduce(0) { $0 + $1.byteCount } <= Self.briefBytes
        case .transmit(let proposal): proposal.block.count <= Self.briefBytes
        case .observe, .connect, .readHint, .takeHint, .keepAlive, .giveBack, .handOver: true
        case .readBlocks, .reload, .lookUp, .search: false
        case .answer, .send, .recall, .disconnect, .report, .drained: true
        }
    }
}
