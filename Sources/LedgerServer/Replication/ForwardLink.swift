import EventLoopTasks
import Foundation
import GRPCCore
import GRPCEdge
import LedgerAPI
import LedgerCore
import LedgerReplica
import NIOCore
import NIOSSL
import SwiftProtobuf
import Synchronization

/// One connection to a replica that seals: events go out in order, answers come in.
///
/// What is handed over within one turn of the event loop goes out together, and what comes within one turn is told
/// together.
final class ForwardLink: ReplicaLink, ForwardCaller, @unchecked Sendable {
    // What changes is touched on the event loop alone, but for `outgoing`.

    /// What the connection is opened with.
    struct Settings: Sendable {
        /// Makes what the connection is secured with; nil for plaintext.
        var tls: (@Sendable () throws -> NIOSSLContext)?
        /// The name that the peer's certificate must carry; nil without TLS.
        var peerName: String?
        /// What both ends have to know; nil where certificates show who they are, or nothing does.
        var secret: SharedSecret?
        var maxMessageBytes: Int
    }

    /// What was handed over and not taken to the event loop yet.
    private struct Outgoing {
        var events: [Submission] = []
        /// Nobody waits any more for these, which were handed over before.
        var recalled: [SubmissionToken] = []
        /// Whether the event loop knows that something is there.
        var isTold = false
        var isClosed = false

        /// - Returns: whether the event loop is to be told.
        mutating func tell() -> Bool {
            defer { isTold = true }
            return !isTold && !isClosed
        }
    }

    private enum Phase {
        case idle
        /// The call is open; with a secret, the sealer has yet to prove itself.
        case connecting(SealerProof?)
        case greeted(ForwardConnection)
        case ended
    }

    /// So many bytes of entries, about, go into one message.
    private static let messageBytes = 64 << 10

    private let hint: SealerHint
    private let greeting: Ledger_Internal_Greeting
    private let settings: Settings
    private let clock: any ReplicaClock
    private let outgoing = Mutex(Outgoing())

    private var phase = Phase.idle
    private var handle: (@Sendable (LinkEvent) -> Void)?
    private var running: CheckedContinuation<String, Never>?
    private var connection: ForwardConnection?
    private var clockAhead = ClockDifference()
    /// Events that are to be sent, from `next` on, and what is to be recalled after them.
    private var events: [Submission] = []
    private var next = 0
    private var recalled: [SubmissionToken] = []
    private var pace = WritePace()
    private var isPausing = false
    /// What has come in this turn.
    private var answers: [(SubmissionToken, ForwardOutcome)] = []

    init(
        to hint: SealerHint, greeting: Ledger_Internal_Greeting, settings: Settings,
        clock: any ReplicaClock
    ) {
        self.hint = hint
        self.greeting = greeting
        self.settings = settings
        self.clock = clock
    }

    // MARK: From any thread

    /// Forwards events after all that were forwarded before.
    func send(_ submissions: [Submission]) {
        let tells = outgoing.withLock { outgoing in
            outgoing.events += submissions
            return outgoing.tell()
        }
        if tells { Reactor.loop.execute { self.takeOutgoing() } }
    }

    /// Tells the sealer that nobody waits any more for events that were forwarded.
    func recall(_ tokens: [SubmissionToken]) {
        let tells = outgoing.withLock { outgoing in
            outgoing.recalled += tokens
            return outgoing.tell()
        }
        if tells { Reactor.loop.execute { self.takeOutgoing() } }
    }

    /// Ends the connection. What has not left by then never will.
    func close() {
        outgoing.withLock { $0.isClosed = true }
        Reactor.loop.execute {
            self.connection?.close()
            self.ended("the connection was closed here")
        }
    }

    /// Connects, and serves until the connection ends or is closed.
    func run(_ handle: @escaping @Sendable (LinkEvent) -> Void) async {
        let why = await withTaskCancellationHandler {
            await withCheckedContinuation { running in
                Reactor.loop.execute { self.begin(handle, running) }
            }
        } onCancel: {
            close()
        }
        handle(.down(why))
    }

    // MARK: Life

    private func begin(
        _ handle: @escaping @Sendable (LinkEvent) -> Void,
        _ running: CheckedContinuation<String, Never>
    ) {
        if outgoing.withLock({ $0.isClosed }) {
            return running.resume(returning: "the connection was closed here")
        }
        self.handle = handle
        self.running = running
        phase = .connecting(settings.secret.map { SealerProof(secret: $0, hint: hint) })
        guard let address = HostPort(hint.address) else {
            return ended("the hint names no address")
        }
        do {
            let target = ForwardConnection.Target(
                address: address, tls: try settings.tls?(), peerName: settings.peerName,
                maxMessageBytes: settings.maxMessageBytes)
            ForwardConnection.connect(target, self).assumeIsolated().whenFailure {
                self.ended("\($0)")
            }
        } catch {
            ended("\(error)")
        }
    }

    func ended(_ why: String) {
        guard let running else { return }
        self.running = nil
        tellAnswers()
        phase = .ended
        handle = nil
        connection = nil
        events = []
        next = 0
        running.resume(returning: why)
    }

    // MARK: Showing who this is

    func opened(_ connection: ForwardConnection) {
        guard case .connecting(let sealer) = phase else { return connection.close() }
        self.connection = connection
        if let sealer {
            send(.with { $0.hello = sealer.hello }, over: connection)
        } else {
            greet(connection)
        }
    }

    private func greet(_ connection: ForwardConnection) {
        send(.with { $0.greeting = greeting }, over: connection)
        phase = .greeted(connection)
        takeOutgoing()
    }

    private func send(
        _ message: Ledger_Internal_ForwardRequest, over connection: ForwardConnection
    ) {
        var bytes = ByteBuffer()
        message.writeFramed(to: &bytes)
        connection.send(bytes)
    }

    // MARK: Receiving

    func received(_ message: ByteBuffer) {
        let bytes = Array(message.readableBytesView)
        if case .greeted = phase, let regular = ForwardBatches.answers(bytes) {
            clockAhead.note(regular.clock, at: clock.now)
            answers += regular.answers
            return
        }
        guard let connection,
            let response = try? Ledger_Internal_ForwardResponse(serializedBytes: bytes)
        else { return fail("the sealer's bytes are no answer") }
        switch phase {
        case .connecting(let sealer):
            guard case .challenge(let challenge)? = response.content, let sealer else {
                return fail("the address speaks before it has proved itself")
            }
            do throws(RPCError) {
                let proof = try sealer.answer(to: challenge)
                send(.with { $0.proof = proof }, over: connection)
                greet(connection)
            } catch {
                fail("\(error.code): \(error.message)")
            }
        case .greeted: take(response)
        case .idle, .ended: break
        }
    }

    private func fail(_ why: String) {
        let connection = connection
        ended(why)
        connection?.close()
    }

    private func take(_ response: Ledger_Internal_ForwardResponse) {
        clockAhead.note(MonotonicInstant(nanoseconds: response.clock), at: clock.now)
        switch response.content {
        case .welcome: handle?(.up)
        case .answers(let batch):
            answers += batch.answers.map {
                (SubmissionToken(rawValue: $0.token), $0.forwardOutcome)
            }
        case .farewell:
            tellAnswers()
            handle?(.farewell)
        case .challenge, nil: break
        }
    }

    func turnEnded() { tellAnswers() }

    private func tellAnswers() {
        guard !answers.isEmpty else { return }
        let told = answers
        answers = []
        handle?(.answers(told))
    }

    // MARK: Sending

    /// On the event loop, when all that comes together in this turn has come.
    private func takeOutgoing() {
        guard case .greeted = phase else { return }
        let (more, recalled) = outgoing.withLock { outgoing in
            defer { outgoing = Outgoing(isClosed: outgoing.isClosed) }
            return (outgoing.events, outgoing.recalled)
        }
        if events.isEmpty { events = more } else { events += more }
        self.recalled += recalled
        write()
    }

    func becameWritable() { write() }

    private func write() {
        guard case .greeted(let connection) = phase, !isPausing,
            next < events.count || !recalled.isEmpty
        else { return }
        let now = NIODeadline.now()
        if let later = pace.holdUntil(now) {
            isPausing = true
            Reactor.loop.assumeIsolated().scheduleTask(deadline: later) {
                self.isPausing = false
                self.write()
            }
            return
        }
        let before = events.count - next
        while connection.isWritable, let message = nextMessage() { connection.send(message) }
        pace.wrote(before - (events.count - next), at: now)
    }

    /// Events, about as many as a message is to have; what is recalled when all are out.
    private func nextMessage() -> ByteBuffer? {
        var message = ByteBuffer()
        if next < events.count {
            ForwardBatches.write(takeBatch(), clockAhead: clockAhead.value, to: &message)
        } else if !recalled.isEmpty {
            let tokens = recalled.map(\.rawValue)
            recalled = []
            Ledger_Internal_ForwardRequest.with { $0.recalls = .with { $0.tokens = tokens } }
                .writeFramed(to: &message)
        } else {
            return nil
        }
        return message
    }

    private func takeBatch() -> ArraySlice<Submission> {
        let first = next
        var bytes = 0
        while next < events.count {
            bytes += events[next].byteCount
            if bytes > Self.messageBytes, next > first { break }
            next += 1
        }
        let batch = events[first..<next]
        if next == events.count {
            events = []
            next = 0
        }
        return batch
    }
}
