import LedgerCore
import LedgerReplica

/// One connection between two replicas: messages arrive in order, late, or not any more.
///
/// As with TCP, a network that is cut delays what is under way; it is lost only when the connection breaks. It also does
/// what the service does at the internal port of the replica that seals.
///
/// `@unchecked Sendable`: as the timeline of its world.
final class SimulatedLink: ReplicaLink, @unchecked Sendable {
    /// What can become of a message.
    private enum Fault: CaseIterable {
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

    /// One of the two directions, and the process that it leads to.
    private struct Direction {
        var receiver: Life?
        var messages: [Message] = []
        /// Those that have reached the process, which takes them in order.
        var arrived: [() -> Void] = []
        var stalledUntil: Int64 = 0
    }

    private typealias Way = ReferenceWritableKeyPath<SimulatedLink, Direction>

    /// After so long without a sign of life a connection is given up: HTTP/2 keep-alives.
    private static let keepAlive: Int64 = 12_000_000_000

    /// A greeting that took longer tells too little of the other's clock.
    private static let longestGreeting = Nanoseconds.milliseconds(10)

    private let number: UInt64
    private unowned let world: World
    let client: SimulatedReplica
    let server: SimulatedReplica?
    private let hint: SealerHint
    private let known: LedgerObservation?
    private var toServer: Direction
    private var toClient: Direction
    private var isBroken = false
    private var isClosed = false
    private var isWelcome = false
    private var hasEnded = false
    private var isFinished = false
    private var handle: (@Sendable (LinkEvent) -> Void)?
    private var finish: (@Sendable (Bool) -> Void)?
    /// How the server calls what it got and has not answered.
    private var received: [UInt64: SubmissionToken] = [:]
    /// How far the server's clock is ahead at least, as its messages tell.
    private var clockAhead: Nanoseconds?

    init(
        number: UInt64, from client: SimulatedReplica, _ life: Life, to hint: SealerHint,
        known: LedgerObservation?
    ) {
        self.number = number
        self.client = client
        self.hint = hint
        self.known = known
        world = client.world
        server = world.replicas.first { $0.hint?.address == hint.address }
        toServer = Direction(receiver: server?.life)
        toClient = Direction(receiver: life)
    }

    // MARK: The client's side

    func run(_ handle: @escaping @Sendable (LinkEvent) -> Void) async {
        self.handle = handle
        guard let life = toClient.receiver, !life.isOver, !isFinished else {
            handle(.down("closed"))
            return
        }
        if isClosed {
            // What ends it is on its way.
        } else if let server {
            greet(server, attempt: 1)
        } else {
            // Nobody listens there, or the machine is gone.
            let isGone = world.chooser.choose(2, oddsAgainst: 3) == 1
            isBroken = true
            tellClient("connection refused", after: isGone ? 1_000_000_000 : 500_000)
        }
        let _: Bool? = await life.wait { done in
            if isFinished { done(true) } else { finish = done }
        }
    }

    /// The first message says who is meant, and the answer to it how far that one's clock is ahead: a greeting that
    /// was answered late tells too little of that, and is repeated.
    private func greet(_ server: SimulatedReplica, attempt: Int) {
        guard let greetedAt = toClient.receiver?.now else { return }
        transmit(\.toServer, slowly: attempt == 1) { [self] in
            guard server.hint?.id == hint.id, !isClosed, server.contains(known) else {
                endByServer()
                return
            }
            if !isWelcome { server.peers.append(self) }
            isWelcome = true
            reply { [self] in
                guard let life = toClient.receiver else { return }
                if life.now - greetedAt > Self.longestGreeting, attempt < 3 {
                    greet(server, attempt: attempt + 1)
                } else {
                    handle?(.up)
                }
            }
        }
    }

    func send(_ submissions: [Submission]) {
        let ahead = clockAhead ?? .zero
        transmit(\.toServer) { [self] in
            guard isWelcome, let server else { return }
            // Streams of two connections never share a name.
            let taken = server.receive(submissions, over: self, clockAhead: ahead) {
                StreamID(rawValue: number << 40 | $0.rawValue)
            }
            for (sent, own) in zip(submissions, taken) { received[sent.token.rawValue] = own }
        }
    }

    func recall(_ tokens: [SubmissionToken]) {
        transmit(\.toServer) { [self] in
            server?.callOff(tokens.compactMap { received[$0.rawValue] })
        }
    }

    /// The client sends nothing more; what is under way still arrives.
    func close() {
        isClosed = true
        transmit(\.toServer) { [self] in endByServer() }
    }

    private func tellClient(_ why: String, after delay: Int64) {
        toClient.receiver?.perform(after: delay) { [self] in endByClient(why) }
    }

    private func endByClient(_ why: String) {
        isFinished = true
        handle.take()?(.down(why))
        finish.take()?(true)
    }

    // MARK: The server's side

    func sayFarewell() {
        reply { [self] in handle?(.farewell) }
    }

    private func reply(_ action: @escaping () -> Void) {
        guard let clock = toServer.receiver?.now, !hasEnded else { return }
        transmit(\.toClient) { [self] in
            guard let life = toClient.receiver else { return }
            let ahead = clock - life.now
            clockAhead = clockAhead.map { max($0, ahead) } ?? ahead
            action()
        }
    }

    /// The server answers nothing more.
    private func endByServer() {
        guard !hasEnded else { return }
        leaveServer()
        transmit(\.toClient) { [self] in
            isBroken = true
            endByClient("ended")
        }
    }

    /// What it has got is not sealed for this client any more (protocol.md 6).
    private func leaveServer() {
        hasEnded = true
        server?.peers.removeAll { $0 === self }
        server?.callOff(received.sorted { $0.key < $1.key }.map(\.value))
    }

    // MARK: Breaking

    /// One side is gone.
    func lose(by side: SimulatedReplica, silently: Bool) {
        guard !isBroken else { return }
        isBroken = true
        let patience = silently ? Self.keepAlive : world.delay(100_000, 5_000_000)
        if side === client {
            toServer.receiver?.perform(after: patience) { [self] in leaveServer() }
        } else {
            tellClient("connection reset", after: patience)
        }
    }

    private func breakDown() {
        guard !isBroken else { return }
        isBroken = true
        toServer.receiver?.perform(after: world.delay(100_000, 30_000_000)) { [self] in
            leaveServer()
        }
        tellClient("connection reset", after: world.delay(100_000, 30_000_000))
    }

    // MARK: Messages

    private var isCut: Bool { server.map { world.isCut(client.number, $0.number) } ?? false }

    private func transmit(_ way: Way, slowly: Bool = false, _ action: @escaping () -> Void) {
        guard !isBroken else { return }
        let fault = world.chooser.choose(
            Fault.allCases.count, oddsAgainst: world.settings.oddsAgainstNetworkFaults)
        switch Fault.allCases[fault] {
        case .broken:
            breakDown()
            return
        case .stalled:
            hold(way, for: world.delay(10_000_000, 1_500_000_000))
        case .halfOpen:
            hold(way, for: Self.keepAlive)
            world.schedule(after: Self.keepAlive) { [self] in breakDown() }
        case .none: break
        }
        let delay = slowly ? world.delay(300_000, 6_000_000) : world.delay(50_000, 1_500_000)
        let arrival = max(world.now + delay, self[keyPath: way].messages.last?.arrival ?? 0)
        self[keyPath: way].messages.append(Message(arrival: arrival, action: action))
        world.schedule(after: arrival - world.now) { [self] in deliver(way) }
    }

    private func hold(_ way: Way, for length: Int64) {
        self[keyPath: way].stalledUntil = world.now + length
        world.schedule(after: length) { [self] in deliver(way) }
    }

    /// The network between the two works again.
    func resume() {
        deliver(\.toServer)
        deliver(\.toClient)
    }

    /// All faults are over.
    func heal() {
        if max(toServer.stalledUntil, toClient.stalledUntil) > world.now { breakDown() }
    }

    private func deliver(_ way: Way) {
        while let next = self[keyPath: way].messages.first, next.arrival <= world.now {
            if isBroken || isCut || self[keyPath: way].stalledUntil > world.now { return }
            self[keyPath: way].messages.removeFirst()
            self[keyPath: way].arrived.append(next.action)
            self[keyPath: way].receiver?.perform { [self] in
                self[keyPath: way].arrived.removeFirst()()
            }
        }
    }
}

/// The server's answers go back over the connection.
extension SimulatedLink: SubmissionCaller {
    func settle(_ answers: [SubmissionAnswer]) {
        for answer in answers { received[answer.submission.label] = nil }
        let told = answers.map {
            (SubmissionToken(rawValue: $0.submission.label), ForwardOutcome($0.outcome))
        }
        reply { [self] in handle?(.answers(told)) }
    }
}
