import Foundation
import GRPCCore
import GRPCEdge
import GRPCNIOTransportHTTP2
import LedgerAPI
import LedgerCore
import LedgerStore
import Logging
import PrometheusExposition
import SwiftProtobuf
import Synchronization
import Testing

@testable import LedgerReplica
@testable import LedgerServer

/// The internal port of a replica that does not seal, as a caller with the gRPC library and one without see it: so are
/// replicas of older versions, and of this one.
@Suite("Forwarding to a replica", .timeLimit(.minutes(1)))
struct ForwardingStreamTests {
    private typealias Request = Ledger_Internal_ForwardRequest
    private typealias Response = Ledger_Internal_ForwardResponse

    private static let cluster: UInt64 = 0xbeef
    private static let prefix = Array("ledger/".utf8)

    private struct Served {
        let ledger: LoadedReplica
        let peers: ForwardingPeers
        let metrics: LedgerMetrics
        let port: Int

        var greeting: Ledger_Internal_Greeting {
            .with {
                $0.clusterID = ForwardingStreamTests.cluster
                $0.prefix = Data(ForwardingStreamTests.prefix)
                $0.sealerID = "one"
                $0.headNumber = 3
                $0.headHash = Data(ledger.hashes[2].bytes)
            }
        }
    }

    private func serving<Result: Sendable>(
        _ body: @Sendable (Served) async throws -> Result
    ) async throws -> Result {
        let ledger = try LoadedReplica(
            events: 3, identity: SealerHint(address: "127.0.0.1:1", id: "one"))
        ledger.replica.cluster.store(Self.cluster, ordering: .relaxed)
        ledger.load()
        let metrics = LedgerMetrics(version: "test")
        let peers = ForwardingPeers(metrics: metrics)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let service = ForwardingService(
            replica: ledger.replica, peers: peers,
            greeter: Greeter(
                id: "one", prefix: Self.prefix, replica: ledger.replica, blocks: ledger.blocks),
            access: InternalAccess(token: nil, peerNames: nil), metrics: metrics, logger: logger)
        let port = GRPCPort(
            name: "the internal port", setting: .internalPort, bindAddress: "127.0.0.1", port: 0,
            methods: [
                Ledger_Internal_Forwarding.Method.Forward.descriptor: CallShape(
                    isStreaming: true, maxMessageBytes: 4 << 20)
            ], headers: [InternalAccess.tokenKey], direct: service.direct, logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try? await port.run() }
            defer { group.cancelAll() }
            return try await body(
                Served(
                    ledger: ledger, peers: peers, metrics: metrics,
                    port: try await port.boundPort() ?? 0))
        }
    }

    private static func event(_ number: UInt64, payload: Int) throws -> CertifiedEvent {
        try CertifiedEvent(
            eventID: Array("forwarded \(number)".utf8),
            payload: Array(repeating: 1, count: payload),
            vepsSignature: [], vepsTimestamp: 0, metadata: [], submitter: [],
            limits: EventLimits())
    }

    private static func events(_ tokens: ClosedRange<UInt64>, payload: Int) throws -> Request {
        var request = Request()
        request.events.events = try tokens.map { token in
            let event = try event(token, payload: payload)
            return .with {
                $0.token = token
                $0.stream = 9
                $0.entry = Data(EntryTemplate(event).unsealed)
                $0.commitBy = .max
                $0.answerBy = .max
            }
        }
        return request
    }

    /// Sends messages and reads what comes back, with the gRPC library.
    private func exchange(
        _ served: Served, _ messages: [Request],
        _ received: @escaping @Sendable (Response) -> Void
    ) async throws {
        let transport = try HTTP2ClientTransport.Posix(
            target: .ipv4(address: "127.0.0.1", port: served.port), transportSecurity: .plaintext)
        try await withGRPCClient(transport: transport) { client in
            let (ended, end) = AsyncStream.makeStream(of: Void.self)
            try await Ledger_Internal_Forwarding.Client(wrapping: client).forward { writer in
                for message in messages { try await writer.write(message) }
                for await _ in ended {}
            } onResponse: { response in
                defer { end.finish() }
                for try await message in response.messages { received(message) }
            }
        }
    }

    @Test("a caller with the library is welcomed, answered in order, told farewell, and sent away")
    func library() async throws {
        try await serving { served in
            // The second batch is larger than what is decoded at once, and than what is taken in one turn.
            let messages = [
                Request.with { $0.greeting = served.greeting }, try Self.events(1...10, payload: 0),
                try Self.events(11...1_000, payload: 100),
                try Self.events(1_001...1_010, payload: 0),
                .with { $0.recalls.tokens = [5, 2_000] },
            ]
            let answers = Mutex<[Ledger_Internal_ForwardAnswer]>([])
            let others = Mutex<[String]>([])
            try await exchange(served, messages) { response in
                switch response.content {
                case .welcome: others.withLock { $0.append("welcome") }
                case .farewell:
                    others.withLock { $0.append("farewell") }
                    served.peers.finish()
                case .answers(let batch):
                    let count = answers.withLock { answers in
                        answers += batch.answers
                        return answers.count
                    }
                    if count == 1_010 { served.peers.sayFarewell() }
                default: others.withLock { $0.append("something else") }
                }
            }
            #expect(others.withLock { $0 } == ["welcome", "farewell"])
            #expect(answers.withLock { $0.map(\.token) } == Array(1...1_010))
            #expect(answers.withLock { $0.allSatisfy { $0.forwardOutcome == .refused } })
            #expect(served.metrics.forwardsReceived.total == 1_010)
        }
    }

    @Test("a replica of this version is served the same")
    func link() async throws {
        try await serving { served in
            let link = ForwardLink(
                to: SealerHint(address: "127.0.0.1:\(served.port)", id: "one"),
                greeting: served.greeting, settings: .init(maxMessageBytes: 4 << 20),
                clock: SystemClock(maxSkewMilliseconds: 1, members: EtcdMembers(endpoints: [])))
            let numbers: ClosedRange<UInt64> = 1...1_000
            let submissions = try numbers.map { number in
                let event = try Self.event(number, payload: 100)
                return Submission(
                    token: SubmissionToken(rawValue: number), stream: nil, origin: .caller,
                    event: event, template: EntryTemplate(event),
                    receivedAt: MonotonicInstant(nanoseconds: 0),
                    commitBy: MonotonicInstant(nanoseconds: 0),
                    answerBy: MonotonicInstant(nanoseconds: 0), caller: NobodyWaits(), label: 0)
            }
            let answered = Mutex<[UInt64]>([])
            let ends = Mutex<[String]>([])
            await link.run { event in
                switch event {
                case .up: link.send(submissions)
                case .answers(let answers):
                    let count = answered.withLock { answered in
                        answered += answers.map(\.0.rawValue)
                        return answered.count
                    }
                    if count == 1_000 { served.peers.sayFarewell() }
                case .farewell:
                    ends.withLock { $0.append("farewell") }
                    served.peers.finish()
                case .down(let why): ends.withLock { $0.append(why) }
                }
            }
            #expect(answered.withLock { $0 } == Array(1...1_000))
            #expect(ends.withLock { $0 } == ["farewell", "the sealer ended the stream"])
        }
    }

    @Test("who means another ledger, or sends what is no event, is told so")
    func refused() async throws {
        try await serving { served in
            var other = served.greeting
            other.prefix = Data("other/".utf8)
            var broken = try Self.events(1...2, payload: 0)
            broken.events.events[1].entry = Data([1, 2, 3])
            let greeting = Request.with { $0.greeting = served.greeting }
            let cases: [([Request], RPCError.Code)] = [
                ([.with { $0.greeting = other }], .failedPrecondition),
                ([try Self.events(1...2, payload: 0)], .failedPrecondition),
                ([broken], .failedPrecondition), ([greeting, greeting], .failedPrecondition),
                ([greeting, broken], .invalidArgument),
            ]
            for (messages, code) in cases {
                let error = await #expect(throws: RPCError.self) {
                    try await exchange(served, messages) { _ in }
                }
                #expect(error?.code == code, "\(String(describing: error))")
            }
            #expect(served.metrics.forwardsReceived.total == 0)
        }
    }
}
