import EtcdGateway
import LedgerCore
import LedgerStore

/// Replicas, callers and a store in virtual time.
///
/// `@unchecked Sendable`: as its timeline.
final class World: @unchecked Sendable {
    struct Settings {
        var replicas = 1
        var oddsAgainstFaults = 8
        var sealing = SealingSettings()
        /// How long a request waits for its answer that has no time of its own.
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
        /// What certainly becomes of the request in that place among all of its kind.
        var fault: (fault: SimulatedStore.Fault, operation: SimulatedStore.Operation, place: Int)?
    }

    let settings: Settings
    let time: Timeline
    let store = SimulatedEtcd()
    /// The ledger as it is, without delay and without fault.
    let ledger: LedgerStore
    var history = History()
    private(set) var replicas: [SimulatedReplica] = []
    /// How many requests of each kind there were.
    var requests: [SimulatedStore.Operation: Int] = [:]
    private var violations: [String] = []
    private var nextStream: UInt64 = 0
    private var streams: [StreamID: CallerStream] = [:]
    private var sealed = SealedLedger()
    private var links: [SimulatedLink] = []
    private var cuts: Set<Set<Int>> = []

    init(_ settings: Settings, chooser: any Chooser) {
        self.settings = settings
        time = Timeline(chooser: chooser)
        ledger = LedgerStore(store: store, keys: LedgerKeys(prefix: "ledger/"))
        replicas = (0..<settings.replicas).map { SimulatedReplica(number: $0, world: self) }
    }

    // MARK: Time

    var now: Int64 { time.now }

    var chooser: any Chooser { time.chooser }

    func schedule(after delay: Int64, _ action: @escaping () -> Void) {
        time.schedule(after: delay, action)
    }

    /// Lets everything happen that is due until a time.
    func run(until end: Int64) throws { try time.run(until: end) }

    func delay(_ low: Int64, _ high: Int64) -> Int64 {
        time.chooser.number(in: low...high)
    }

    /// A promise is broken that is not of the history.
    func broken(_ promise: String) { violations.append(promise) }

    // MARK: Callers

    /// Submits an event to a replica and notes what comes of it.
    func submit(id: String, payload: [UInt8], to number: Int, stream: StreamID? = nil) {
        let place = history.submissions.count
        let noted = History.Submission(
            signature: "s\(place)", eventID: id, payload: payload, replica: number,
            stream: stream?.rawValue, submittedAt: now, dueAt: .max)
        history.submissions.append(noted)
        if let stream { streams[stream, default: CallerStream()].places.append(place) }
        replicas[number].submit(place, noted.event, stream)
    }

    /// The process has read the call: from now on its time counts.
    func received(_ place: Int) {
        history.submissions[place].dueAt =
            now + settings.sealing.resolveDeadline.count + settings.patience
    }

    /// The caller of a submission goes away.
    func cancel(_ place: Int) {
        replicas[history.submissions[place].replica].cancel(place)
    }

    /// The replica answers; a stream's answers reach their caller in the order of submission.
    func answered(_ place: Int, _ outcome: SubmissionOutcome) {
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
    func lost(_ place: Int) {
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

    func addReplica() -> SimulatedReplica {
        let replica = SimulatedReplica(number: replicas.count, world: self)
        replicas.append(replica)
        return replica
    }

    func makeStream() -> StreamID {
        nextStream += 1
        return StreamID(rawValue: nextStream)
    }

    func connect(
        _ client: SimulatedReplica, _ life: Life, to hint: SealerHint, known: LedgerObservation?
    ) -> SimulatedLink {
        let link = SimulatedLink(
            number: UInt64(links.count + 1), from: client, life, to: hint, known: known)
        links.append(link)
        return link
    }

    /// All connections of a replica, oldest first.
    func links(of replica: SimulatedReplica) -> [SimulatedLink] {
        links.filter { $0.client === replica || $0.server === replica }
    }

    func isCut(_ one: Int, _ other: Int) -> Bool { cuts.contains([one, other]) }

    /// Cuts the network between two replicas, or mends it.
    func cut(_ one: Int, _ other: Int, _ isCut: Bool = true) {
        if isCut {
            cuts.insert([one, other])
        } else if cuts.remove([one, other]) != nil {
            for link in links { link.resume() }
        }
    }

    /// Every event that is sealed now.
    func sealedEvents() -> SealedLedger {
        sealed.read(store, ledger.keys)
        return sealed
    }

    // MARK: The end

    /// Nothing goes wrong from now on, and what went wrong is put right.
    func heal() {
        let cuts = cuts
        self.cuts = []
        if !cuts.isEmpty { for link in links { link.resume() } }
        for link in links { link.heal() }
        for replica in replicas {
            replica.isCutOff = false
            replica.life?.wall = .trusted
        }
    }

    /// Every process is killed: nothing is left that waits.
    func end() throws {
        for replica in replicas { replica.crash() }
        try run(until: now + 10_000_000)
        time.clear()
        for life in replicas.flatMap(\.lives) where life.running > 0 {
            broken("\(life.running) tasks of \(life.name) go on after their end")
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
        broken += violations
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
