import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import GRPCProtobuf
import LedgerAPI
import LedgerCore
import LedgerReplica
import LedgerStore
import SwiftProtobuf
import Synchronization
import Testing

@testable import LedgerServer

@Suite("What a replica tells the address in a hint", .timeLimit(.minutes(1)))
struct ForwardLinkTests {
    private static let token = "the-token-of-both"

    /// Listens where a hint leads, and answers as it is told.
    private final class Listener: Ledger_Internal_Forwarding.StreamingServiceProtocol {
        typealias Message = Ledger_Internal_ForwardRequest

        let received = Mutex<[Message]>([])
        let headers = Mutex<[String]>([])
        private let answer: @Sendable (Message) -> Ledger_Internal_ForwardResponse?

        init(_ answer: @escaping @Sendable (Message) -> Ledger_Internal_ForwardResponse?) {
            self.answer = answer
        }

        func forward(
            request: StreamingServerRequest<Message>, context: ServerContext
        ) async throws -> StreamingServerResponse<Ledger_Internal_ForwardResponse> {
            headers.withLock { $0 += request.metadata.map { "\($0.key): \($0.value)" } }
            return StreamingServerResponse { writer in
                for try await message in request.messages {
                    self.received.withLock { $0.append(message) }
                    if let answer = self.answer(message) { try await writer.write(answer) }
                }
                return [:]
            }
        }
    }

    /// Connects to the listener; the events of the connection until it is up or down.
    private func connect(
        to listener: Listener, _ until: @escaping @Sendable (LinkEvent) -> Bool
    ) async throws -> String {
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext)
        return try await withGRPCServer(transport: transport, services: [listener]) { _ in
            let port = try await transport.listeningAddress.ipv4?.port ?? 0
            let link = ForwardLink(
                to: SealerHint(address: "127.0.0.1:\(port)", id: "one"),
                greeting: .with { $0.sealerID = "one" },
                settings: .init(
                    secret: SharedSecret(token: Self.token), maxMessageBytes: 1 << 20),
                clock: SystemClock(maxSkewMilliseconds: 1, members: EtcdMembers(endpoints: [])))
            let reason = Mutex("")
            await link.run { event in
                if until(event) { link.close() }
                if case .down(let why) = event { reason.withLock { $0 = why } }
            }
            return reason.withLock { $0 }
        }
    }

    @Test("an address that has not proved that it knows the token gets a nonce, and nothing else")
    func stranger() async throws {
        let listener = Listener { message in
            guard case .hello = message.content else { return nil }
            return .with {
                $0.challenge = .with {
                    $0.version = 1
                    $0.nonce = Data(count: 32)
                    $0.proof = Data(count: 32)
                }
            }
        }
        let why = try await connect(to: listener) { _ in false }
        #expect(why.contains("has not proved that it knows LEDGER_INTERNAL_TOKEN"))
        let received = listener.received.withLock { $0 }
        #expect(received.count == 1)
        guard case .hello(let hello)? = received.first?.content else {
            Issue.record("\(received)")
            return
        }
        #expect(hello.nonce.count == 32)
        let headers = listener.headers.withLock { $0 }
        #expect(!headers.contains { $0.contains(Self.token) || $0.contains("token") })
    }

    @Test("nothing that it says before counts, a welcome neither")
    func early() async throws {
        let listener = Listener { _ in .with { $0.welcome = .init() } }
        let wasUp = Mutex(false)
        let why = try await connect(to: listener) { event in
            if case .up = event { wasUp.withLock { $0 = true } }
            return false
        }
        #expect(why.contains("before it has proved"))
        #expect(!wasUp.withLock { $0 })
    }

    @Test("a replica that knows it is greeted, and no message has the token in it")
    func replica() async throws {
        let admission = Mutex<PeerAdmission?>(nil)
        let listener = Listener { message in
            let action = admission.withLock { $0?.received(message.content) }
            switch action {
            case .answer(let challenge)?: return .with { $0.challenge = challenge }
            case .check?: return .with { $0.welcome = .init() }
            default: return nil
            }
        }
        // The port is known only when it listens; the listener's own hint is what the caller was told.
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext)
        try await withGRPCServer(transport: transport, services: [listener]) { _ in
            let port = try await transport.listeningAddress.ipv4?.port ?? 0
            let hint = SealerHint(address: "127.0.0.1:\(port)", id: "one")
            let secret = SharedSecret(token: Self.token)
            admission.withLock { $0 = PeerAdmission(secret: secret, own: hint) }
            let link = ForwardLink(
                to: hint, greeting: .with { $0.sealerID = "one" },
                settings: .init(secret: secret, maxMessageBytes: 1 << 20),
                clock: SystemClock(maxSkewMilliseconds: 1, members: EtcdMembers(endpoints: [])))
            let wasUp = Mutex(false)
            await link.run { event in
                guard case .up = event else { return }
                wasUp.withLock { $0 = true }
                link.close()
            }
            #expect(wasUp.withLock { $0 })
        }
        for message in listener.received.withLock({ $0 }) {
            let bytes: [UInt8] = try message.serializedBytes()
            #expect(bytes.firstRange(of: Array(Self.token.utf8)) == nil)
        }
    }

    private final class Nobody: SubmissionCaller {
        func settle(_ answers: [SubmissionAnswer]) {}
    }

    private func submissions(_ tokens: ClosedRange<UInt64>, payload: Int) throws -> [Submission] {
        try tokens.map { token in
            let event = try CertifiedEvent(
                eventID: Array("event-\(token)".utf8), payload: Array(repeating: 7, count: payload),
                vepsSignature: [], vepsTimestamp: 1, metadata: [], submitter: [],
                limits: EventLimits(maxPayloadBytes: 49_152))
            return Submission(
                token: SubmissionToken(rawValue: token), stream: nil, origin: .caller, event: event,
                template: EntryTemplate(event), receivedAt: MonotonicInstant(nanoseconds: 0),
                commitBy: MonotonicInstant(nanoseconds: 0),
                answerBy: MonotonicInstant(nanoseconds: 0), caller: Nobody(), label: 0)
        }
    }

    /// Connects without a secret to a listener that welcomes whoever greets it, and otherwise answers as it is told.
    private func link(
        to listener: Listener, maxMessageBytes: Int = 1 << 20,
        _ handle: @escaping @Sendable (ForwardLink, LinkEvent) -> Void
    ) async throws {
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext,
            config: .defaults { $0.rpc.maxRequestPayloadSize = 4 << 20 })
        try await withGRPCServer(transport: transport, services: [listener]) { _ in
            let port = try await transport.listeningAddress.ipv4?.port ?? 0
            let link = ForwardLink(
                to: SealerHint(address: "127.0.0.1:\(port)", id: "one"),
                greeting: .with { $0.sealerID = "one" },
                settings: .init(maxMessageBytes: maxMessageBytes),
                clock: SystemClock(maxSkewMilliseconds: 1, members: EtcdMembers(endpoints: [])))
            await link.run { handle(link, $0) }
        }
    }

    @Test(
        "protocol.md 21: events go in their order, what is recalled after them, and every answer comes"
    )
    func order() async throws {
        let small = try submissions(1...3_000, payload: 100)
        let large = try submissions(3_001...3_100, payload: 40_000)
        let listener = Listener { message in
            switch message.content {
            case .greeting: .with { $0.welcome = .init() }
            case .events(let batch):
                .with {
                    $0.answers.answers = batch.events.map { event in
                        .with {
                            $0.token = event.token
                            $0.unknown = .init()
                        }
                    }
                }
            case .recalls: .with { $0.farewell = .init() }
            default: nil
            }
        }
        let answered = Mutex<[UInt64]>([])
        try await link(to: listener) { link, event in
            switch event {
            case .up:
                for submission in small { link.send([submission]) }
                link.send(large)
                link.recall(large.map(\.token))
            case .answers(let answers):
                answered.withLock { $0 += answers.map(\.0.rawValue) }
            case .farewell: link.close()
            case .down: break
            }
        }
        #expect(answered.withLock { $0 } == Array(1...3_100))
        let received = listener.received.withLock { $0 }
        let batches = received.compactMap { message -> [UInt64]? in
            if case .events(let batch)? = message.content { batch.events.map(\.token) } else { nil }
        }
        #expect(batches.flatMap { $0 } == Array(1...3_100))
        #expect(received.last?.recalls.tokens == large.map(\.token.rawValue))
        // What was handed over in one turn went together, in messages of a bounded size.
        #expect(batches.count < 200, "\(batches.count)")
        for message in received { #expect(message.bytes.count < 128 << 10) }
    }

    @Test("who says more than a message may hold is not listened to any further")
    func tooLong() async throws {
        let listener = Listener { _ in
            .with { $0.answers.answers = Array(repeating: .with { $0.token = .max }, count: 2_000) }
        }
        let why = Mutex("")
        let answers = Mutex(0)
        try await link(to: listener, maxMessageBytes: 1_000) { _, event in
            switch event {
            case .answers(let more): answers.withLock { $0 += more.count }
            case .down(let reason): why.withLock { $0 = reason }
            case .up, .farewell: break
            }
        }
        #expect(why.withLock { $0 }.contains("too long"))
        #expect(answers.withLock { $0 } == 0)
    }

    @Test("an address where nobody listens, and a link that is closed before it runs, end at once")
    func nobody() async throws {
        let clock = SystemClock(maxSkewMilliseconds: 1, members: EtcdMembers(endpoints: []))
        for isClosed in [false, true] {
            let link = ForwardLink(
                to: SealerHint(address: "127.0.0.1:1", id: "one"), greeting: .init(),
                settings: .init(maxMessageBytes: 1_000), clock: clock)
            if isClosed { link.close() }
            let events = Mutex(0)
            let why = Mutex("")
            await link.run { event in
                events.withLock { $0 += 1 }
                if case .down(let reason) = event { why.withLock { $0 = reason } }
            }
            #expect(events.withLock { $0 } == 1)
            #expect(why.withLock { $0 }.contains(isClosed ? "closed here" : "refused"))
        }
    }
}
