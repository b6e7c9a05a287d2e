import GRPCCore
import LedgerAPI
import LedgerCore
import Logging
import SwiftProtobuf

/// Serves the internal port: takes events from other replicas and answers what became of them.
final class ForwardingService: Ledger_Internal_Forwarding.StreamingServiceProtocol, Sendable {
    /// The streams of a peer are told from those of others, and from own ones, by these bits.
    private static let streamBits: UInt64 = 40
    /// After so many events of one message others have their turn.
    private static let eventsAtOnce = 64

    private let sealer: Sealer
    private let replica: Replica
    private let greeter: Greeter
    private let access: InternalAccess
    private let metrics: LedgerMetrics
    private let logger: Logger
    private let peers: ForwardingPeers

    init(
        sealer: Sealer, replica: Replica, peers: ForwardingPeers, greeter: Greeter,
        access: InternalAccess, metrics: LedgerMetrics, logger: Logger
    ) {
        self.peers = peers
        self.sealer = sealer
        self.replica = replica
        self.greeter = greeter
        self.access = access
        self.metrics = metrics
        self.logger = logger
    }

    func forward(
        request: StreamingServerRequest<Ledger_Internal_ForwardRequest>, context: ServerContext
    ) async throws -> StreamingServerResponse<Ledger_Internal_ForwardResponse> {
        do throws(RPCError) {
            try access.check(request.metadata, context)
        } catch {
            logger.warning(
                "a call of the internal port was refused", metadata: ["reason": "\(error.message)"])
            throw error
        }
        return StreamingServerResponse { writer in
            let replies = Mailbox<ForwardReply>()
            let peer = self.peers.add(replies)
            defer { self.peers.remove(peer) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer { replies.close() }
                    try await self.read(request.messages, of: peer, into: replies)
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

    // MARK: Receiving

    private func read(
        _ messages: RPCAsyncSequence<Ledger_Internal_ForwardRequest, any Error>, of peer: UInt64,
        into replies: Mailbox<ForwardReply>
    ) async throws {
        var isWelcome = false
        for try await message in messages {
            switch message.content {
            case .greeting(let greeting):
                try await greeter.check(greeting)
                isWelcome = true
                replies.put(.welcome)
            case .events(let batch):
                guard isWelcome else {
                    throw RPCError(code: .failedPrecondition, message: "events before a greeting")
                }
                try await receive(batch, of: peer, into: replies)
            case nil:
                break
            }
        }
    }

    private func receive(
        _ batch: Ledger_Internal_EventBatch, of peer: UInt64, into replies: Mailbox<ForwardReply>
    ) async throws {
        let receivedAt = sealer.clock.now
        let isTaken = replica.takesForwards
        for (index, forwarded) in batch.events.enumerated() {
            if index % Self.eventsAtOnce == Self.eventsAtOnce - 1 { await Task.yield() }
            let name = forwarded.token
            guard isTaken else {
                replies.put(.answer(.init(name, .refused)))
                continue
            }
            let event: CertifiedEvent
            do throws(FormatError) {
                event = try forwarded.event()
            } catch {
                throw RPCError(
                    code: .invalidArgument, message: "a forwarded entry: \(error.message)")
            }
            let submission = Submission(
                token: sealer.makeToken(), stream: stream(forwarded.stream, of: peer), event: event,
                template: EntryTemplate(event), receivedAt: receivedAt,
                commitBy: MonotonicInstant(nanoseconds: forwarded.commitBy),
                answerBy: MonotonicInstant(nanoseconds: forwarded.answerBy))
            sealer.submit(submission) { outcome in
                replies.put(.answer(.init(name, ForwardOutcome(outcome))))
            }
        }
        metrics.forwardsReceived.increment(by: Int64(batch.events.count))
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
        let now = sealer.clock.now.nanoseconds
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
            case .answer(let answer):
                batch.answers.append(answer)
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

extension ForwardOutcome {
    /// What a forwarder is told of an outcome: numbers and hashes, for it has the event itself.
    init(_ outcome: LedgerCore.SubmissionOutcome) {
        self =
            switch outcome {
            case .sealed(let seal, _): .sealed(seal)
            case .duplicate(let original): .duplicate(of: original.entry.sequenceNumber)
            case .conflicting(let number, let differs):
                .conflicting(with: number, differs: differs)
            case .notSealed(let reason): .notSealed(reason)
            case .unknown: .unknown
            }
    }
}
