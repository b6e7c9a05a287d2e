import EventLoopTasks
import GRPCCore
import GRPCProtobuf
import LedgerAPI
import LedgerCore
import LedgerReplica
import Logging
import NIOCore
import PrometheusExposition
import SwiftProtobuf
import TaskCoordination

/// Serves the internal port: takes events from other replicas and answers what became of them.
final class ForwardingService: RegistrableRPCService, Sendable {
    /// So long a caller may take to show who it is.
    static let admissionLimit = TimeAmount.seconds(5)
    /// The streams of a peer are told from those of others, and from own ones, by these bits.
    private static let streamBits: UInt64 = 40
    /// After so many events of one message others have their turn.
    private static let eventsAtOnce = 256
    /// So many answers go into one message: about 50 kB.
    private static let answersAtOnce = 512

    private let replica: Replica
    private let greeter: Greeter
    private let access: InternalAccess
    private let metrics: LedgerMetrics
    private let logger: Logger
    private let peers: ForwardingPeers

    init(
        replica: Replica, peers: ForwardingPeers, greeter: Greeter,
        access: InternalAccess, metrics: LedgerMetrics, logger: Logger
    ) {
        self.peers = peers
        self.replica = replica
        self.greeter = greeter
        self.access = access
        self.metrics = metrics
        self.logger = logger
    }

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(
            forMethod: Ledger_Internal_Forwarding.Method.Forward.descriptor,
            deserializer: ForwardedInput.Deserializer(),
            serializer: ProtobufSerializer<Ledger_Internal_ForwardResponse>()
        ) { request, context in
            try await self.forward(request: request, context: context)
        }
    }

    private func forward(
        request: StreamingServerRequest<ForwardedInput>, context: ServerContext
    ) async throws -> StreamingServerResponse<Ledger_Internal_ForwardResponse> {
        let admission: PeerAdmission
        do throws(RPCError) {
            let secret = try access.check(request.metadata, context, logger)
            guard let own = replica.identity else {
                throw RPCError(code: .unavailable, message: "this replica has no hint yet")
            }
            admission = PeerAdmission(secret: secret, own: own)
        } catch {
            throw refused(error)
        }
        return StreamingServerResponse { writer in
            let replies = Mailbox<ForwardReply>()
            let peer = self.peers.add(replies)
            // Whether the caller has shown who it is, or the time for that has passed.
            let isAdmitted = Settlement<Bool>()
            let alarm = Reactor.loop.scheduleTask(in: Self.admissionLimit) {
                isAdmitted.settle(false)
            }
            defer {
                alarm.cancel()
                self.peers.remove(peer)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer {
                        isAdmitted.settle(true)
                        replies.close()
                    }
                    try await self.read(
                        request.messages, of: peer, admission, isAdmitted, into: replies)
                }
                group.addTask {
                    guard await !isAdmitted.value else { return }
                    replies.close()
                    throw self.refused(
                        RPCError(
                            code: .unauthenticated,
                            message: "the caller has not shown in time who it is"))
                }
                while let ready = await replies.takeAll() {
                    for message in self.messages(ready) { try await writer.write(message) }
                }
                // Where this replica is done, nothing more is read from the peer.
                group.cancelAll()
                do {
                    try await group.waitForAll()
                } catch is CancellationError {}
            }
            return [:]
        }
    }

    private func refused(_ error: RPCError) -> RPCError {
        logger.warning(
            "a call of the internal port was refused", metadata: ["reason": "\(error.message)"])
        return error
    }

    // MARK: Receiving

    private func read(
        _ messages: RPCAsyncSequence<ForwardedInput, any Error>, of peer: UInt64,
        _ admission: PeerAdmission, _ isAdmitted: Settlement<Bool>,
        into replies: Mailbox<ForwardReply>
    ) async throws {
        var admission = admission
        let caller = ForwardingPeer(replies: replies)
        defer {
            // Who knows another secret leaves when it sees the challenge.
            if admission.isUnproven { _ = refused(PeerAdmission.unproven) }
            // Who forwarded them is gone, and has them sealed elsewhere if at all (protocol.md 6).
            replica.cancel(caller.waiting)
        }
        for try await input in messages {
            switch input {
            case .message(let message):
                switch admission.received(message.content) {
                case .nothing: break
                case .answer(let challenge): replies.put(.challenge(challenge))
                case .check(let greeting):
                    try await greeter.check(greeting)
                    peers.admit(peer)
                    isAdmitted.settle(true)
                    replies.put(.welcome)
                case .take(let batch):
                    let events = try batch.events.map(ForwardedSubmission.init)
                    await receive(events, of: peer, caller)
                case .callOff(let recalled):
                    replica.cancel(caller.waiting(among: recalled.tokens))
                case .refuse(let error): throw refused(error)
                }
            case .bytes(let bytes):
                guard admission.isComplete else {
                    throw refused(
                        RPCError(
                            code: .unauthenticated,
                            message: "\(bytes.count) bytes before the greeting"))
                }
                let (events, recalled) = try await Reactor.runOnPool {
                    let message = try Ledger_Internal_ForwardRequest(serializedBytes: bytes)
                    return (
                        try message.events.events.map(ForwardedSubmission.init), message.recalls
                    )
                }
                await receive(events, of: peer, caller)
                replica.cancel(caller.waiting(among: recalled.tokens))
            }
        }
    }

    private func receive(
        _ events: [ForwardedSubmission], of peer: UInt64, _ caller: ForwardingPeer
    ) async {
        let receivedAt = replica.now
        var rest = events[...]
        while !rest.isEmpty {
            let submissions = rest.prefix(Self.eventsAtOnce).map { forwarded in
                Submission(
                    token: replica.makeToken(), stream: stream(forwarded.stream, of: peer),
                    origin: .replica, event: forwarded.event, template: forwarded.template,
                    receivedAt: receivedAt, commitBy: forwarded.commitBy,
                    answerBy: forwarded.answerBy, caller: caller, label: forwarded.token)
            }
            rest = rest.dropFirst(Self.eventsAtOnce)
            caller.expect(submissions)
            replica.receive(submissions)
            if !rest.isEmpty { await Task.yield() }
        }
        metrics.forwardsReceived.increment(by: Int64(events.count))
    }

    private func stream(_ stream: UInt64, of peer: UInt64) -> StreamID? {
        guard stream != 0 else { return nil }
        let low = stream & (1 << Self.streamBits - 1)
        return StreamID(rawValue: peer << Self.streamBits | low)
    }

    // MARK: Replying

    private func messages(_ replies: [ForwardReply]) -> [Ledger_Internal_ForwardResponse] {
        var messages: [Ledger_Internal_ForwardResponse] = []
        var batch = Ledger_Internal_AnswerBatch()
        let now = replica.now.nanoseconds
        func close() {
            guard !batch.answers.isEmpty else { return }
            messages.append(
                .with {
                    $0.clock = now
                    $0.answers = batch
                })
            batch = .init()
        }
        for reply in replies {
            switch reply {
            case .answers(let answers):
                for answer in answers {
                    batch.answers.append(answer)
                    if batch.answers.count == Self.answersAtOnce { close() }
                }
            case .challenge(let challenge):
                close()
                messages.append(
                    .with {
                        $0.clock = now
                        $0.challenge = challenge
                    })
            case .welcome:
                close()
                messages.append(
                    .with {
                        $0.clock = now
                        $0.welcome = .init()
                    })
            case .farewell:
                close()
                messages.append(
                    .with {
                        $0.clock = now
                        $0.farewell = .init()
                    })
            }
        }
        close()
        return messages
    }
}
