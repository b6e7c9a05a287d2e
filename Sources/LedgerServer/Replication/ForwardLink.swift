import EventLoopTasks
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import LedgerAPI
import LedgerCore
import LedgerReplica
import SwiftProtobuf
import Synchronization
import TaskCoordination

/// One connection to a replica that seals: events go out in order, answers come in.
final class ForwardLink: ReplicaLink {
    /// What the connection is opened with.
    struct Settings: Sendable {
        var security: HTTP2ClientTransport.Posix.TransportSecurity
        /// The name that the peer's certificate must carry; nil without TLS.
        var peerName: String?
        /// What both ends have to know; nil where certificates show who they are, or nothing does.
        var secret: SharedSecret?
        var maxMessageBytes: Int
    }

    /// What goes out over the connection.
    private enum Outgoing: Sendable {
        case events([Submission])
        /// Nobody waits any more for an event that went out before.
        case recall([SubmissionToken])
    }

    /// So many bytes of entries, about, go into one message.
    private static let messageBytes = 64 << 10

    /// Under load, messages are this far apart: a small part of what the sealer gathers for.
    private static let writeInterval = Duration.milliseconds(3)

    private let hint: SealerHint
    private let greeting: Ledger_Internal_Greeting
    private let settings: Settings
    private let clock: any ReplicaClock
    private let outgoing = Mailbox<Outgoing>()
    private let clockAhead = Mutex(ClockDifference())
    /// The own proof, once the sealer has given its; nil where it never will.
    private let proof = Settlement<Ledger_Internal_Proof?>()

    init(
        to hint: SealerHint, greeting: Ledger_Internal_Greeting, settings: Settings,
        clock: any ReplicaClock
    ) {
        self.hint = hint
        self.greeting = greeting
        self.settings = settings
        self.clock = clock
    }

    /// Forwards events after all that were forwarded before.
    func send(_ submissions: [Submission]) {
        outgoing.put(.events(submissions))
    }

    /// Tells the sealer that nobody waits any more for events that were forwarded.
    func recall(_ tokens: [SubmissionToken]) {
        outgoing.put(.recall(tokens))
    }

    /// Ends the connection.
    func close() {
        outgoing.close()
        proof.settle(nil)
    }

    /// Connects, and serves until the connection ends or is closed.
    func run(_ handle: @escaping @Sendable (LinkEvent) -> Void) async {
        let why: String
        do {
            let transport = try makeTransport()
            why = try await Reactor.run {
                try await withGRPCClient(transport: transport) { client in
                    try await self.exchange(client, handle)
                }
            }
        } catch let error as RPCError {
            why = "\(error.code): \(error.message)"
        } catch {
            why = "\(error)"
        }
        handle(.down(why))
    }

    private func exchange(
        _ client: GRPCClient<HTTP2ClientTransport.Posix>,
        _ handle: @escaping @Sendable (LinkEvent) -> Void
    ) async throws -> String {
        var options = CallOptions.defaults
        options.waitForReady = false
        options.maxResponseMessageBytes = settings.maxMessageBytes
        let sealer = settings.secret.map { SealerProof(secret: $0, hint: hint) }
        return try await Ledger_Internal_Forwarding.Client(wrapping: client).forward(
            options: options
        ) { writer in
            if let sealer {
                try await writer.write(.with { $0.hello = sealer.hello })
                guard let proof = await self.ownProof() else { return }
                try await writer.write(.with { $0.proof = proof })
            }
            try await writer.write(.with { $0.greeting = self.greeting })
            var lastWrite = ContinuousClock.now
            while let outgoing = await self.outgoing.takeAll() {
                for message in self.messages(outgoing) {
                    try await writer.write(message)
                }
                lastWrite = try await self.pause(since: lastWrite)
            }
        } onResponse: { response in
            defer { self.proof.settle(nil) }
            var isProven = sealer == nil
            for try await message in response.messages {
                if case .challenge(let challenge)? = message.content, let sealer, !isProven {
                    self.proof.settle(try sealer.answer(to: challenge))
                    isProven = true
                    continue
                }
                guard isProven else {
                    throw RPCError(
                        code: .unauthenticated,
                        message: "the address speaks before it has proved itself")
                }
                self.note(clock: message.clock)
                switch message.content {
                case .welcome: handle(.up)
                case .answers(let batch):
                    handle(
                        .answers(
                            batch.answers.map {
                                (SubmissionToken(rawValue: $0.token), $0.forwardOutcome)
                            }))
                case .farewell: handle(.farewell)
                case .challenge, nil: break
                }
            }
            return "the sealer ended the stream"
        }
    }

    /// What is sent once the sealer has proved itself; nil where the connection ends before.
    private func ownProof() async -> Ledger_Internal_Proof? {
        await withTaskCancellationHandler {
            await proof.value
        } onCancel: {
            proof.settle(nil)
        }
    }

    /// Events, then what is recalled of them and of earlier ones.
    private func messages(_ outgoing: [Outgoing]) -> [Ledger_Internal_ForwardRequest] {
        var events: [Submission] = []
        var recalled: [UInt64] = []
        for item in outgoing {
            switch item {
            case .events(let more): events += more
            case .recall(let tokens): recalled += tokens.map(\.rawValue)
            }
        }
        let messages = messages(events)
        if recalled.isEmpty { return messages }
        return messages + [.with { $0.recalls = .with { $0.tokens = recalled } }]
    }

    /// The events in messages of a bounded size, in their order.
    private func messages(_ submissions: [Submission]) -> [Ledger_Internal_ForwardRequest] {
        let ahead = clockAhead.withLock { $0.value }
        var messages: [Ledger_Internal_ForwardRequest] = []
        var batch = Ledger_Internal_EventBatch()
        var bytes = 0
        for submission in submissions {
            if bytes + submission.template.byteCount > Self.messageBytes, bytes > 0 {
                messages.append(.with { $0.events = batch })
                batch = .init()
                bytes = 0
            }
            batch.events.append(.init(submission, clockAhead: ahead))
            bytes += submission.template.byteCount
        }
        if bytes > 0 { messages.append(.with { $0.events = batch }) }
        return messages
    }

    /// Under load the next message waits a little for company: one for each event would cost both processors more than
    /// the event itself. An event after a quiet time goes at once.
    private func pause(since lastWrite: ContinuousClock.Instant) async throws
        -> ContinuousClock.Instant
    {
        let now = ContinuousClock.now
        guard lastWrite.duration(to: now) < Self.writeInterval * 2 else { return now }
        try await Task.sleep(for: Self.writeInterval)
        return now.advanced(by: Self.writeInterval)
    }

    private func note(clock: Int64) {
        let now = self.clock.now
        clockAhead.withLock { $0.note(MonotonicInstant(nanoseconds: clock), at: now) }
    }

    private func makeTransport() throws -> HTTP2ClientTransport.Posix {
        guard let address = HostPort(hint.address) else {
            throw RPCError(code: .unavailable, message: "the hint names no address")
        }
        var config = HTTP2ClientTransport.Posix.Config.defaults
        config.connection.keepalive = .init(
            time: .seconds(10), timeout: .seconds(2), allowWithoutCalls: true)
        if let peerName = settings.peerName { config.http2.authority = peerName }
        return try HTTP2ClientTransport.Posix(
            target: address.target, transportSecurity: settings.security, config: config,
            eventLoopGroup: Reactor.group)
    }
}

/// The `host:port` of a hint; an IPv6 address stands in brackets.
struct HostPort {
    let host: String
    let port: Int

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        let host = text[..<colon]
        self.host =
            host.hasPrefix("[") && host.hasSuffix("]")
            ? String(host.dropFirst().dropLast()) : String(host)
        self.port = port
        if self.host.isEmpty { return nil }
    }

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    var target: any ResolvableTarget {
        if host.contains(":") { return .ipv6(address: host, port: port) }
        let isAddress = host.allSatisfy { $0.isNumber || $0 == "." }
        return isAddress ? .ipv4(address: host, port: port) : .dns(host: host, port: port)
    }
}
