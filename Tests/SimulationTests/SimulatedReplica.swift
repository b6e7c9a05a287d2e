import LedgerCore
import LedgerReplica
import LedgerStore
import Logging
import ServiceLifecycleTestKit

/// One replica: the driver that ships, life after life, on a simulated clock, store and network.
///
/// `@unchecked Sendable`: as the timeline of its world.
final class SimulatedReplica: @unchecked Sendable {
    let number: Int
    unowned let world: World
    private(set) var lives: [Life] = []
    private(set) var life: Life?
    private var driver: Replica?
    private var store: SimulatedStore?
    private var condition: ReplicaCondition?
    private var trigger: GracefulShutdownTestTrigger?
    /// It gives the hint back, and will stop.
    private(set) var isLeaving = false
    /// Nothing new is taken from callers any more.
    private(set) var isStopping = false
    /// Callers' events that are not answered, by their places in the history.
    private var open: [Int: SubmissionToken?] = [:]
    /// Calls that have not been read.
    private var calls: [() -> Void] = []
    /// When, in the age of this life, an event came to be waited for no longer: its caller was answered, or the replica
    /// that forwarded it has called it off.
    private var endedAt: [[UInt8]: Int64] = [:]
    private var forwarded: [SubmissionToken: [UInt8]] = [:]
    /// The connections of those that forward here.
    var peers: [SimulatedLink] = []
    /// Whether requests to the store are lost.
    var isCutOff = false

    // What is counted.
    fileprivate(set) var forwards = 0
    fileprivate(set) var lostRaces = 0

    init(number: Int, world: World) {
        self.number = number
        self.world = world
    }

    // MARK: What it shows

    var isRunning: Bool { life != nil }
    var isSealer: Bool { condition?.isSealer ?? false }
    var part: String? { driver?.part.name }
    var fence: LedgerInconsistency? { condition?.fence }
    /// How many of its callers' events are not answered.
    var openEvents: Int { open.count }

    /// Where the replica is to which it forwards.
    var followedAddress: String? {
        condition?.isForwarding ?? false ? driver?.part.sealer : nil
    }

    /// Where others reach it; nil while it does not run.
    var hint: SealerHint? {
        life.map { SealerHint(address: "replica-\(number):50052", id: "\($0.name)") }
    }

    fileprivate func changed(_ condition: ReplicaCondition, _ life: Life) {
        if life === self.life { self.condition = condition }
    }

    // MARK: Life

    /// Starts a process, which reads the ledger and begins to seal, or to take part.
    func start() {
        isStopping = false
        isLeaving = false
        let ahead = world.settings.forwards ? world.delay(-1_000_000_000, 3_600_000_000_000) : 0
        let life = Life(
            name: UInt64(number * 1_000 + lives.count), in: world.time, ahead: ahead)
        lives.append(life)
        self.life = life
        let store = SimulatedStore(of: self, life)
        let identity = hint
        let driver = Replica(
            settings: ReplicaSettings(identity: nil, sealing: world.settings.sealing),
            environment: ReplicaEnvironment(
                clock: life, timers: life, store: store.ledger(world.ledger.keys),
                blocks: SimulatedBlocks(store: store, world: world),
                links: SimulatedLinks(replica: self, life: life),
                observer: Observer(replica: self, life: life),
                logger: Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() },
                random: { life.name }, checkMembers: { true }),
            joining: world.settings.forwards ? { @Sendable in identity } : nil)
        self.store = store
        self.driver = driver
        condition = nil
        life.perform(after: 0) { [self] in
            life.start { [self] in await live(life, driver) }
        }
    }

    private func live(_ life: Life, _ driver: Replica) async {
        await testGracefulShutdown { trigger in
            self.trigger = trigger
            do {
                try await driver.run()
            } catch {
                if !life.isOver { world.broken("\(number) has ended: \(error)") }
            }
        }
        if self.life === life { crash() }
    }

    /// Loses everything but what was sent. Its callers see a broken connection: unknown.
    ///
    /// - Parameter silently: whether other replicas hear nothing of it, as when a machine loses its power.
    func crash(silently: Bool = false) {
        guard let life else { return }
        self.life = nil
        isLeaving = false
        life.end()
        for link in world.links(of: self) { link.lose(by: self, silently: silently) }
        let lost = open.sorted { $0.key < $1.key }
        // Nothing comes of this any more, but who waits inside the process is let go.
        driver?.cancel(
            lost.compactMap(\.value) + forwarded.keys.sorted { $0.rawValue < $1.rawValue })
        driver?.beginStopping()
        driver = nil
        store = nil
        calls = []
        peers = []
        endedAt = [:]
        forwarded = [:]
        open = [:]
        for (place, _) in lost { world.lost(place) }
    }

    /// Gives the hint back, and when another replica seals, or after some time, stops as the service does.
    func stop() {
        guard let life, let driver, !isLeaving else { return }
        isLeaving = true
        life.perform { [self] in
            life.start { [self] in
                await driver.handOver(to: successor, within: .milliseconds(300))
                if life.isOver { return }
                isStopping = true
                driver.beginStopping()
                await driver.waitUntilDrained()
                if life.isOver { return }
                // Answers that were given with the last one are still under way.
                try? await life.sleep(for: .milliseconds(1))
                if !open.isEmpty, self.life === life {
                    world.broken("\(number) has drained with \(open.count) open")
                }
                trigger?.triggerGracefulShutdown()
            }
        }
    }

    /// To whom the hint goes, chosen as the service does.
    private var successor: SealerHint? {
        SealingCandidate.successor(
            among: peers.compactMap { peer in
                guard let hint = peer.client.hint, let life = peer.client.life else { return nil }
                return SealingCandidate(hint: hint, startedAt: .init(nanoseconds: life.begin))
            }, ofSealerStartedAt: .init(nanoseconds: life?.begin ?? 0))
    }

    /// Stops the process for a while; what was sent goes on.
    func pause(for length: Int64) {
        guard let life, !life.isPaused else { return }
        world.allowAnswers(of: number, later: length)
        life.pause(for: length)
    }

    func isCutOff(_ life: Life) -> Bool { isCutOff && self.life === life }

    // MARK: Callers

    /// Somebody reads the head here.
    func follow() {
        guard let life, let driver else { return }
        life.perform { life.start { _ = try? await driver.heads.observe() } }
    }

    /// Submits an event of a caller, once the process reads the call.
    func submit(_ place: Int, _ event: CertifiedEvent, _ stream: StreamID?) {
        guard let life, let driver else {
            world.lost(place)
            return
        }
        open[place] = .some(nil)
        let caller = Caller(replica: self, life: life)
        calls.append { [self] in
            world.received(place)
            let submission = Submission(
                token: driver.makeToken(), stream: stream, event: event,
                template: EntryTemplate(event), receivedAt: life.now, callerDeadline: nil,
                settings: world.settings.sealing, caller: caller, label: UInt64(place))
            open[place] = submission.token
            driver.submit(submission)
        }
        // In order, or a stream would not be one.
        life.perform { [self] in calls.removeFirst()() }
    }

    /// The caller is gone.
    func cancel(_ place: Int) {
        life?.perform { [self] in
            if let token = open[place] ?? nil { driver?.cancel([token]) }
        }
    }

    /// Calls back when a stream may be read further.
    func whenReadable(_ stream: StreamID, _ call: @escaping @Sendable () -> Void) {
        guard let life, let driver else { return }
        life.perform {
            life.start {
                await driver.waitForRoom(stream)
                call()
            }
        }
    }

    private final class Caller: SubmissionCaller {
        let replica: SimulatedReplica
        let life: Life

        init(replica: SimulatedReplica, life: Life) {
            self.replica = replica
            self.life = life
        }

        func settle(_ answers: [SubmissionAnswer]) {
            if life.isOver { return }
            for answer in answers { replica.answered(answer, life) }
        }
    }

    private func answered(_ answer: SubmissionAnswer, _ life: Life) {
        let place = Int(answer.submission.label)
        let event = answer.submission.event
        guard open.removeValue(forKey: place) != nil else {
            world.broken("\(place) answered twice")
            return
        }
        endedAt[event.vepsSignature] = life.age
        if case .notSealed(let reason) = answer.outcome, store?.mayStillSeal(event.eventID) ?? false
        {
            world.broken("\(place) was rejected with \(reason), but its id may be sealed now")
        }
        world.answered(place, answer.outcome)
    }

    /// Nobody who was answered, or has called an event off, finds it in a new transaction (protocol.md 6).
    func checkWaiting(for event: CertifiedEvent, _ life: Life) {
        // Between the last look at who waits and the sending nothing but a held up thread takes time.
        guard let ended = endedAt[event.vepsSignature], ended < life.age - 2_000_000 else { return }
        world.broken("nobody waits for \(event.eventID), and \(number) seals it now")
    }

    // MARK: Serving others

    /// Takes what another replica forwards, with its times on this replica's clock.
    ///
    /// - Returns: how the events are called here.
    func receive(
        _ submissions: [Submission], over link: SimulatedLink, clockAhead ahead: Nanoseconds,
        stream: (StreamID) -> StreamID
    ) -> [SubmissionToken] {
        guard let life, let driver else { return [] }
        let receivedAt = life.now
        let events = submissions.map { sent in
            Submission(
                token: driver.makeToken(), stream: sent.stream.map(stream), origin: .replica,
                event: sent.event, template: sent.template, receivedAt: receivedAt,
                commitBy: sent.commitBy + ahead, answerBy: sent.answerBy + ahead, caller: link,
                label: sent.token.rawValue)
        }
        for event in events {
            endedAt[event.event.vepsSignature] = nil
            forwarded[event.token] = event.event.vepsSignature
        }
        driver.receive(events)
        return events.map(\.token)
    }

    /// Nobody waits for these events any more (protocol.md 6).
    func callOff(_ tokens: [SubmissionToken]) {
        guard let life else { return }
        for token in tokens {
            if let signature = forwarded[token] { endedAt[signature] = life.age }
        }
        driver?.cancel(tokens)
    }

    /// Whether the ledger has the head that another replica knows (protocol.md 20).
    func contains(_ known: LedgerObservation?) -> Bool {
        guard let head = known?.head, head.sequence > .zero else { return true }
        return world.sealedEvents()[head.sequence]?.eventHash == head.eventHash
    }
}

/// What one life of a replica tells of itself.
private struct Observer: ReplicaObserver {
    let replica: SimulatedReplica
    let life: Life

    func changed(_ condition: ReplicaCondition) { replica.changed(condition, life) }

    func reported(_ report: ReplicaReport, part: String) {
        if case .lostRace = report { replica.lostRaces += 1 }
    }

    func sealing(_ plan: BatchPlan) {}

    func applied(after length: Nanoseconds) {}

    func forwarding(events: Int) { replica.forwards += events }

    func gaveHintBack() {
        if !life.isOver { for peer in replica.peers { peer.sayFarewell() } }
    }
}

/// How one life of a replica reaches others.
struct SimulatedLinks: ReplicaLinks {
    let replica: SimulatedReplica
    let life: Life

    func link(
        to hint: SealerHint, known: LedgerObservation?, clusterID: UInt64
    ) -> any ReplicaLink {
        replica.world.connect(replica, life, to: hint, known: known)
    }
}
