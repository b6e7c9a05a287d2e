import EtcdGateway
import LedgerCore
import LedgerStore

/// Replicas, callers and a store in virtual time. Everything happens in one order, which the chooser decides.
final class World<Choice: Chooser> {
    /// What can become of one transmission of a sealing transaction.
    enum TransmissionFault: Int, CaseIterable {
        case none
        case notSent
        case lostBefore
        case lostAfter
        /// Not answered, and applied long after everybody has given up.
        case appliedLate
        /// Applied twice; the second answer arrives, in which the comparison failed.
        case duplicated
        case noSpaceApplied
        case noSpaceNotApplied
        case refused
        case damagedAnswer
    }

    struct Settings {
        var replicas = 1
        var transmissionFaults = TransmissionFault.allCases
        var oddsAgainstFaults = 8
        var sealing = SealingSettings()
        /// How long a transmission waits for its answer.
        var requestTimeout: Int64 = 1_000_000_000
        /// How much later than due an answer may come.
        var patience: Int64 = 10_000_000
        /// Callers that get "unknown" submit again, elsewhere.
        var resubmit = true
        /// Whether one replica seals and the others forward to it.
        var forwards = false
        var oddsAgainstElectionFaults = 12
        /// For each message between two replicas.
        var oddsAgainstNetworkFaults = 60
    }

    private struct Scheduled {
        var at: Int64
        var order: Int
        var action: () async throws -> Void
    }

    let settings: Settings
    let store = SimulatedEtcd()
    let ledger: LedgerStore
    /// Shared by all that begin with nothing: making an index costs more than the rest of a small world.
    let emptyLedger: LedgerState
    var chooser: Choice
    var history = History()
    private(set) var now: Int64 = 0
    private(set) var replicas: [SimulatedReplica<Choice>] = []
    private var agenda: [Scheduled] = []
    private var nextOrder = 0
    private var nextToken: UInt64 = 1 << 40
    private var streams: [StreamID: CallerStream] = [:]
    private var sealed = SealedEvents()
    private var connections: [SimulatedConnection<Choice>] = []
    private var nextConnection = 0
    private var cuts: Set<Set<Int>> = []

    init(
        _ settings: Settings, chooser: Choice, emptyLedger: LedgerState = LedgerState(indexSeed: 7)
    ) {
        self.settings = settings
        self.emptyLedger = emptyLedger
        self.chooser = chooser
        ledger = LedgerStore(store: store, keys: LedgerKeys(prefix: "ledger/"))
        replicas = (0..<settings.replicas).map { SimulatedReplica(number: $0, world: self) }
    }

    // MARK: Time

    func schedule(after delay: Int64, _ action: @escaping () async throws -> Void) {
        nextOrder += 1
        let item = Scheduled(at: now + delay, order: nextOrder, action: action)
        var place = agenda.endIndex
        // Latest first, so that the next one is the last.
        while place > 0, (agenda[place - 1].at, agenda[place - 1].order) < (item.at, item.order) {
            place -= 1
        }
        agenda.insert(item, at: place)
    }

    /// Lets everything happen that is due until a time.
    func run(until end: Int64) async throws {
        var eventsAtOnce = 0
        while let next = agenda.last, next.at <= end {
            agenda.removeLast()
            eventsAtOnce = next.at == now ? eventsAtOnce + 1 : 0
            // A machine that asks to be woken at once, again and again, would keep a processor busy for ever.
            if eventsAtOnce > 10_000 { throw TimeStandsStill(at: now) }
            now = next.at
            try await next.action()
        }
        now = max(now, end)
    }

    func delay(_ low: Int64, _ high: Int64) -> Int64 {
        chooser.number(in: low...high)
    }

    // MARK: Callers

    /// Submits an event to a replica and notes what comes of it.
    func submit(id: String, payload: [UInt8], to number: Int, stream: StreamID? = nil) {
        let place = history.submissions.count
        let token = SubmissionToken(rawValue: UInt64(place))
        let noted = History.Submission(
            signature: "s\(place)", eventID: id, payload: payload, replica: number,
            stream: stream?.rawValue, submittedAt: now, dueAt: .max)
        history.submissions.append(noted)
        let event = noted.event
        if let stream { streams[stream, default: CallerStream()].places.append(place) }
        replicas[number].submit(token) { [self] receivedAt in
            let submission = Submission(
                token: token, stream: stream, event: event, template: EntryTemplate(event),
                receivedAt: receivedAt, callerDeadline: nil, settings: settings.sealing)
            history.submissions[place].dueAt =
                now + (submission.answerBy - receivedAt).count + settings.patience
            return submission
        }
    }

    /// The caller of a submission goes away.
    func cancel(_ place: Int) {
        replicas[history.submissions[place].replica].cancel(
            SubmissionToken(rawValue: UInt64(place)))
    }

    /// What was submitted under a token.
    func event(of token: SubmissionToken) -> CertifiedEvent {
        history.submissions[Int(token.rawValue)].event
    }

    /// The replica answers; a stream's answers reach their caller in the order of submission.
    func answered(_ token: SubmissionToken, _ outcome: SubmissionOutcome) {
        let place = Int(token.rawValue)
        guard let number = history.submissions[place].stream else {
            told(place, outcome)
            return
        }
        let stream = StreamID(rawValue: number)
        streams[stream]?.ready[place] = outcome
        while let (place, outcome) = streams[stream]?.takeReady() {
            let event = history.submissions[place].event
            guard let told = streams[stream]?.order.next(outcome, of: event) else { return }
            self.told(place, told)
        }
    }

    /// The connection of a caller broke: what it has not been told it never will be.
    func lost(_ token: SubmissionToken) {
        let place = Int(token.rawValue)
        let stream = history.submissions[place].stream.map { StreamID(rawValue: $0) }
        let places = stream.flatMap { streams[$0]?.takeAll() } ?? [place]
        for place in places where history.submissions[place].outcome == nil {
            history.submissions[place].dueAt = .max
            told(place, .unknown)
        }
    }

    private func told(_ place: Int, _ outcome: SubmissionOutcome) {
        let submission = history.submissions[place]
        if submission.outcome != nil {
            history.submissions[place].outcome = nil
            history.submissions[place].signature = "answered twice: \(submission.signature)"
            return
        }
        history.submissions[place].outcome = outcome
        history.submissions[place].answeredAt = now
        if settings.resubmit, outcome == .unknown {
            schedule(after: delay(1_000_000, 300_000_000)) { [self] in
                guard let replica = anyRunning() else { return }
                submit(id: submission.eventID, payload: submission.payload, to: replica)
            }
        }
    }

    /// The replica that is to answer does not run for so long.
    func allowAnswers(of replica: Int, later length: Int64) {
        for place in history.submissions.indices where history.submissions[place].dueAt < .max {
            let submission = history.submissions[place]
            guard submission.replica == replica, submission.outcome == nil else { continue }
            history.submissions[place].dueAt += length
        }
    }

    /// One that takes calls; nil where there is none.
    func anyRunning() -> Int? {
        let running = replicas.filter { $0.isRunning && !$0.isStopping }
        if running.isEmpty { return nil }
        return running[Int(delay(0, Int64(running.count - 1)))].number
    }

    // MARK: What replicas share

    func addReplica() -> SimulatedReplica<Choice> {
        let replica = SimulatedReplica(number: replicas.count, world: self)
        replicas.append(replica)
        return replica
    }

    func makeToken() -> SubmissionToken {
        nextToken += 1
        return SubmissionToken(rawValue: nextToken)
    }

    func connect(
        _ client: SimulatedReplica<Choice>, _ link: LinkID, to hint: SealerHint
    ) -> SimulatedConnection<Choice> {
        nextConnection += 1
        let connection = SimulatedConnection(
            number: nextConnection, client, link, to: hint, world: self)
        connections.append(connection)
        return connection
    }

    func isCut(_ one: Int, _ other: Int) -> Bool { cuts.contains([one, other]) }

    /// Cuts the network between two replicas, or mends it.
    func cut(_ one: Int, _ other: Int, _ isCut: Bool = true) {
        if isCut {
            cuts.insert([one, other])
        } else if cuts.remove([one, other]) != nil {
            for connection in connections { connection.resume() }
        }
    }

    /// Ends leases once their time is over.
    func endLeases(after length: Int64) {
        schedule(after: length) { [self] in store.endLeases(at: now) }
    }

    /// Every event that is sealed now.
    func sealedEvents() throws -> SealedEvents {
        try sealed.read(store, ledger.keys)
        return sealed
    }

    // MARK: The end

    /// Nothing goes wrong from now on, and what went wrong is put right.
    func heal() {
        let cuts = cuts
        self.cuts = []
        if !cuts.isEmpty { for connection in connections { connection.resume() } }
        for connection in connections { connection.heal() }
        for replica in replicas {
            replica.isCutOff = false
            replica.clockIsTrusted = true
        }
    }

    /// Every event that is stored, read as an auditor would.
    func entries() async throws -> [Entry] {
        let head = try ledger.transactions.observation(
            from: store.apply(ledger.transactions.observing()))
        guard head.head.sequence > .zero else { return [] }
        var pages = BlockPages(ledger, from: .first, through: head.head.sequence)
        var entries: [Entry] = []
        while case let page = try await pages.nextPage(), !page.isEmpty {
            for block in page {
                entries += try Block.decodeChain(block.bytes, first: block.first).map {
                    Entry($0.entry)
                }
            }
        }
        return entries
    }

    /// What breaks a promise, in the callers' history or in the stored bytes.
    ///
    /// - Parameter loads: whether it is also tried to start on the ledger.
    func violations(loads: Bool = true) async throws -> [String] {
        var broken = history.violations(of: try await entries())
        broken += replicas.flatMap(\.violations)
        let observation = try ledger.transactions.observation(
            from: store.apply(ledger.transactions.observing()))
        guard observation.head.sequence > .zero else { return broken }
        if let finding = try await verify(observation.head) { broken.append("\(finding)") }
        // Whoever starts on this ledger must be able to load it.
        if loads { _ = try await LedgerLoader(ledger).load(upTo: observation, indexSeed: 7) }
        return broken
    }

    private func verify(_ head: Head) async throws -> VerificationFinding? {
        var verifier = LedgerVerifier(
            first: .first, last: head.sequence, head: head, base: MerkleFrontier())
        var pages = BlockPages(ledger, from: .first, through: head.sequence)
        var blocks: ArraySlice<StoredBlock> = []
        while true {
            switch verifier.need {
            case .nothing: return verifier.finding
            case .block:
                if blocks.isEmpty { blocks = try await pages.nextPage()[...] }
                if let block = blocks.popFirst() {
                    verifier.consume(block: block.first, value: block.bytes)
                } else {
                    verifier.consumeEndOfBlocks()
                }
            case .tile(let id):
                verifier.consume(tile: id, value: store.snapshot.keys[ledger.keys.tile(id)]?.value)
            case .segment(let number):
                verifier.consume(
                    segment: number, value: store.snapshot.keys[ledger.keys.ids(number)]?.value)
            }
        }
    }
}

/// More happened in one moment of virtual time than ever should.
struct TimeStandsStill: Error {
    var at: Int64
}
