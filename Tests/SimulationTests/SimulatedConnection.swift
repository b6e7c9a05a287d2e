import LedgerCore

/// An event on its way to the replica that seals, with its times on that one's clock.
struct ForwardedEvent {
    let token: SubmissionToken
    let stream: StreamID?
    let event: CertifiedEvent
    let commitBy: MonotonicInstant
    let answerBy: MonotonicInstant
}

/// One connection between two replicas: messages arrive in order, late, or not any more.
///
/// As with TCP, a network that is cut delays what is under way; it is lost only when the connection breaks.
final class SimulatedConnection<Choice: Chooser> {
    /// What can become of a message.
    private enum Fault: Int, CaseIterable {
        case none
        /// The connection breaks, and both sides hear of it.
        case broken
        /// This direction is held up for a while.
        case stalled
        /// Nothing more arrives in this direction, and nobody is told for long.
        case halfOpen
    }

    private struct Message {
        let arrival: Int64
        let action: () -> Void
    }

    /// One of the two directions.
    private struct Direction {
        var messages: [Message] = []
        var stalledUntil: Int64 = 0
    }

    /// After so long without a sign of life a connection is given up: HTTP/2 keep-alives.
    private static var keepAlive: Int64 { 12_000_000_000 }

    /// A greeting that took longer tells too little of the other's clock.
    private static var longestGreeting: Nanoseconds { .milliseconds(10) }

    let number: Int
    let link: LinkID
    private unowned let world: World<Choice>
    let client: SimulatedReplica<Choice>
    let server: SimulatedReplica<Choice>?
    private let clientLife: Int
    private let serverLife: Int
    private var toServer = Direction()
    private var toClient = Direction()
    private var isBroken = false
    private var isClosed = false
    private var isWelcome = false
    private var hasEnded = false
    /// How the server calls what it got.
    var received: [SubmissionToken: SubmissionToken] = [:]
    /// What the server was told that nobody waits for.
    private(set) var recalled: Set<SubmissionToken> = []
    /// How far the server's clock is ahead at least, as its messages tell.
    private var clockAhead: Nanoseconds?

    init(
        number: Int, _ client: SimulatedReplica<Choice>, _ link: LinkID, to hint: SealerHint,
        world: World<Choice>
    ) {
        self.number = number
        self.world = world
        self.client = client
        self.link = link
        server = world.replicas.first { $0.hint.address == hint.address && $0.isRunning }
        clientLife = client.life
        serverLife = server?.life ?? 0
        guard let server else {
            // Nobody listens there, or the machine is gone.
            let isGone = world.chooser.choose(2, oddsAgainst: 3) == 1
            isBroken = true
            tellClient("connection refused", after: isGone ? 1_000_000_000 : 500_000)
            return
        }
        greet(server, hint, attempt: 1)
    }

    /// The first message says who is meant, and the answer to it how far that one's clock is ahead: a greeting that
    /// was answered late tells too little of that, and is repeated.
    private func greet(
        _ server: SimulatedReplica<Choice>, _ hint: SealerHint, attempt: Int
    ) {
        let greetedAt = client.now
        transmit(\.toServer, slowly: attempt == 1) { [self] in
            guard server.hint.id == hint.id, !isClosed else {
                endByServer()
                return
            }
            if !isWelcome { server.peers.append(self) }
            isWelcome = true
            let clock = server.now
            transmit(\.toClient) { [self] in
                note(clock)
                if client.now - greetedAt > Self.longestGreeting, attempt < 3 {
                    greet(server, hint, attempt: attempt + 1)
                } else {
                    client.send { [self] in $0.linkUp(link, at: $1) }
                }
            }
        }
    }

    /// A stream's name at the server: streams of two connections never share one.
    func stream(_ stream: StreamID) -> StreamID {
        StreamID(rawValue: UInt64(number + 1) << 40 | stream.rawValue)
    }

    // MARK: The client's side

    func forward(_ submissions: [Submission]) {
        let ahead = clockAhead ?? .zero
        let events = submissions.map {
            ForwardedEvent(
                token: $0.token, stream: $0.stream, event: $0.event,
                commitBy: $0.commitBy + ahead, answerBy: $0.answerBy + ahead)
        }
        transmit(\.toServer) { [self] in
            guard isWelcome else { return }
            server?.receive(events, over: self)
        }
    }

    /// Nobody waits any more for an event that was forwarded.
    func recall(_ token: SubmissionToken) {
        transmit(\.toServer) { [self] in
            guard let server, let own = received[token] else { return }
            recalled.insert(token)
            server.seal { machine, _ in machine.cancel(own) }
        }
    }

    /// The client sends nothing more; what is under way still arrives.
    func close() {
        isClosed = true
        transmit(\.toServer) { [self] in endByServer() }
    }

    private func note(_ clock: MonotonicInstant) {
        let ahead = clock - client.now
        clockAhead = clockAhead.map { max($0, ahead) } ?? ahead
    }

    // MARK: The server's side

    func reply(_ token: SubmissionToken, _ outcome: ForwardOutcome) {
        guard let clock = server?.now, !hasEnded else { return }
        transmit(\.toClient) { [self] in
            note(clock)
            client.send { [self] in $0.answered(link, [(token, outcome)], at: $1) }
        }
    }

    func sayFarewell() {
        guard !hasEnded else { return }
        transmit(\.toClient) { [self] in client.send { [self] in $0.farewell(link, at: $1) } }
    }

    /// The server answers nothing more.
    private func endByServer() {
        guard !hasEnded else { return }
        hasEnded = true
        server?.peers.removeAll { $0 === self }
        transmit(\.toClient) { [self] in
            isBroken = true
            client.links[link] = nil
            client.send { [self] in $0.linkDown(link, why: "ended", at: $1) }
        }
    }

    // MARK: Breaking

    /// One side is gone.
    func lose(by side: SimulatedReplica<Choice>, silently: Bool) {
        guard !isBroken else { return }
        isBroken = true
        let patience = silently ? Self.keepAlive : world.delay(100_000, 5_000_000)
        if side === client {
            tellServer(after: patience)
        } else {
            tellClient("connection reset", after: patience)
        }
    }

    private func breakDown() {
        guard !isBroken else { return }
        isBroken = true
        tellServer(after: world.delay(100_000, 30_000_000))
        tellClient("connection reset", after: world.delay(100_000, 30_000_000))
    }

    private func tellServer(after delay: Int64) {
        world.schedule(after: delay) { [self] in
            hasEnded = true
            server?.peers.removeAll { $0 === self }
        }
    }

    private func tellClient(_ why: String, after delay: Int64) {
        world.schedule(after: delay) { [self] in
            guard client.life == clientLife else { return }
            client.deliver { [self] in
                client.links[link] = nil
                client.send { [self] in $0.linkDown(link, why: why, at: $1) }
            }
        }
    }

    // MARK: Messages

    private var isCut: Bool { server.map { world.isCut(client.number, $0.number) } ?? false }

    private func transmit(
        _ direction: ReferenceWritableKeyPath<SimulatedConnection, Direction>,
        slowly: Bool = false, _ action: @escaping () -> Void
    ) {
        guard !isBroken else { return }
        let fault = world.chooser.choose(
            Fault.allCases.count, oddsAgainst: world.settings.oddsAgainstNetworkFaults)
        switch Fault(rawValue: fault) {
        case .broken:
            breakDown()
            return
        case .stalled:
            hold(direction, for: world.delay(10_000_000, 1_500_000_000))
        case .halfOpen:
            hold(direction, for: Self.keepAlive)
            world.schedule(after: Self.keepAlive) { [self] in breakDown() }
        case .some(.none), nil: break
        }
        let delay = slowly ? world.delay(300_000, 6_000_000) : world.delay(50_000, 1_500_000)
        let arrival = max(world.now + delay, self[keyPath: direction].messages.last?.arrival ?? 0)
        self[keyPath: direction].messages.append(Message(arrival: arrival, action: action))
        world.schedule(after: arrival - world.now) { [self] in deliver(direction) }
    }

    private func hold(
        _ direction: ReferenceWritableKeyPath<SimulatedConnection, Direction>, for length: Int64
    ) {
        self[keyPath: direction].stalledUntil = world.now + length
        world.schedule(after: length) { [self] in deliver(direction) }
    }

    /// The network between the two works again.
    func resume() {
        deliver(\.toServer)
        deliver(\.toClient)
    }

    /// All faults are over.
    func heal() {
        if toServer.stalledUntil > world.now || toClient.stalledUntil > world.now { breakDown() }
    }

    private func deliver(_ direction: ReferenceWritableKeyPath<SimulatedConnection, Direction>) {
        let isToServer = direction == \SimulatedConnection.toServer
        while let next = self[keyPath: direction].messages.first, next.arrival <= world.now {
            if isBroken || isCut || self[keyPath: direction].stalledUntil > world.now { return }
            self[keyPath: direction].messages.removeFirst()
            let receiver = isToServer ? server : client
            let life = isToServer ? serverLife : clientLife
            guard let receiver, receiver.life == life else { continue }
            receiver.deliver {
                guard receiver.life == life else { return }
                next.action()
            }
        }
    }
}
