import GRPCCore
import GRPCInProcessTransport
import GRPCNIOTransportHTTP2
import LedgerAPI
import LedgerClient
import SwiftProtobuf
import Synchronization

/// A ledger in memory behind the real gRPC stubs, which fails as a test tells it to.
final class FakeLedger: Ledger_ImmutableLedger.SimpleServiceProtocol {
    /// What to do with one attempt to submit.
    enum Behaviour: Sendable {
        case seal
        /// Fails without having sealed.
        case fail(any Error)
        /// Seals, and then fails as if the answer had been lost.
        case sealThenFail(any Error)
        /// Seals, and then never answers.
        case sealThenHang
        /// Seals, and answers something else.
        case answer(@Sendable (Ledger_SealedEvent) -> Ledger_SealedEvent)
    }

    private struct State {
        var events: [SealedEvent] = []
        var attempts: [String: Int] = [:]
        var streams = 0
        var receiptCalls = 0
    }

    /// Decides about an attempt from the event's id and the attempt's number, which begins with 1.
    private let behaviour: @Sendable (String, Int) -> Behaviour
    /// How many answers each stream of submissions gives before it breaks; nil where none breaks.
    private let answersPerStream: Int?
    private let proofs: FakeProofs
    private let state = Mutex(State())

    init(
        answersPerStream: Int? = nil, proofs: FakeProofs = FakeProofs(),
        behaviour: @escaping @Sendable (String, Int) -> Behaviour = { _, _ in .seal }
    ) {
        self.answersPerStream = answersPerStream
        self.proofs = proofs
        self.behaviour = behaviour
    }

    var events: [SealedEvent] { state.withLock(\.events) }
    var streams: Int { state.withLock(\.streams) }
    var receiptCalls: Int { state.withLock(\.receiptCalls) }
    func attempts(of id: String) -> Int { state.withLock { $0.attempts[id] ?? 0 } }

    /// Runs a client of this ledger for as long as the body takes.
    func withClient<Result: Sendable>(
        _ configure: (inout LedgerClientConfiguration) -> Void = { _ in },
        _ body: @escaping (LedgerClient) async throws -> Result
    ) async throws -> Result {
        var configuration = LedgerClientConfiguration(
            address: ServerAddress(host: "fake"),
            submissionDeadline: .seconds(20),
            retryPolicy: RetryPolicy(initialBackoff: .milliseconds(1)))
        configure(&configuration)
        let transport = InProcessTransport()
        let server = GRPCServer(transport: transport.server, services: [self])
        let client = LedgerClient(configuration: configuration, transport: transport.client)
        return try await withThrowingDiscardingTaskGroup { group in
            group.addTask { try? await server.serve() }
            let result = try await withRunning(client, body)
            // A call that hangs on purpose would hold up a graceful end.
            group.cancelAll()
            return result
        }
    }

    /// Listens on the loopback interface for as long as the body takes, which is told the port.
    func serveOverTCP<Result: Sendable>(
        port: Int, _ body: (Int) async throws -> Result
    ) async throws -> Result {
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: .plaintext)
        let server = GRPCServer(transport: transport, services: [self])
        return try await withThrowingDiscardingTaskGroup { group in
            group.addTask { try await server.serve() }
            let address = try await transport.listeningAddress
            let result = try await body(address.ipv4?.port ?? 0)
            server.beginGracefulShutdown()
            return result
        }
    }

    /// Adds an event as a client without faults would.
    @discardableResult
    func seal(_ event: CertifiedEvent) -> SealedEvent {
        state.withLock { Self.seal(event, in: &$0) }
    }

    /// Changes an event that was sealed, as somebody with access to the store could.
    func tamper(_ number: Int, _ change: (inout SealedEvent) -> Void) {
        state.withLock { change(&$0.events[number - 1]) }
    }

    private static func seal(_ event: CertifiedEvent, in state: inout State) -> SealedEvent {
        var sealed = SealedEvent(
            sequenceNumber: UInt64(state.events.count + 1), eventID: event.eventID,
            payload: event.payload, eventHash: "",
            previousHash: state.events.last?.eventHash ?? String(repeating: "0", count: 64),
            sealedTimestamp: 1_702_234_567_910, commitLatencyMilliseconds: 3,
            vepsSignature: event.vepsSignature, vepsTimestamp: event.vepsTimestamp,
            metadata: event.metadata)
        sealed.eventHash = sealed.recomputedHash ?? ""
        state.events.append(sealed)
        return sealed
    }

    /// Seals the event, or finds what is sealed under its id.
    private func sealOnce(_ event: CertifiedEvent) throws -> SealedEvent {
        try state.withLock { state in
            guard let original = state.events.first(where: { $0.eventID == event.eventID }) else {
                return Self.seal(event, in: &state)
            }
            guard original.hasSameContent(as: event) else {
                throw ledgerError(.alreadyExists, "CONFLICTING_EVENT")
            }
            throw ledgerError(.alreadyExists, "DUPLICATE_EVENT", original: original)
        }
    }

    private func handle(_ message: Ledger_CertifiedEvent) async throws -> Ledger_SealedEvent {
        let attempt = state.withLock { state in
            state.attempts[message.eventID, default: 0] += 1
            return state.attempts[message.eventID, default: 0]
        }
        let event = CertifiedEvent(
            eventID: message.eventID, payload: [UInt8](message.payload),
            vepsSignature: message.vepsSignature, vepsTimestamp: message.vepsTimestamp,
            metadata: message.metadata)
        switch behaviour(event.eventID, attempt) {
        case .seal:
            return Ledger_SealedEvent(try sealOnce(event))
        case .fail(let error):
            throw error
        case .sealThenFail(let error):
            _ = try? sealOnce(event)
            throw error
        case .sealThenHang:
            _ = try? sealOnce(event)
            try await Task.sleep(for: .seconds(3600))
            throw CancellationError()
        case .answer(let change):
            return change(Ledger_SealedEvent(try sealOnce(event)))
        }
    }

    func submitEvent(
        request: Ledger_CertifiedEvent, context: ServerContext
    ) async throws -> Ledger_SealedEvent {
        try await handle(request)
    }

    func submitEvents(
        request: RPCAsyncSequence<Ledger_CertifiedEvent, any Error>,
        response: RPCWriter<Ledger_SubmitResult>, context: ServerContext
    ) async throws {
        state.withLock { $0.streams += 1 }
        var answers = 0
        for try await event in request {
            if let answersPerStream, answers >= answersPerStream {
                // What this event's fate is, its submitter can't know.
                _ = try? await handle(event)
                throw RPCError(code: .unavailable, message: "the connection broke")
            }
            var result = Ledger_SubmitResult()
            do {
                result.sealed = try await handle(event)
            } catch {
                result.rejection = try rejection(of: error, event.eventID)
            }
            try await response.write(result)
            answers += 1
        }
    }

    func getEvent(
        request: Ledger_GetEventRequest, context: ServerContext
    ) async throws -> Ledger_SealedEvent {
        let events = self.events
        guard request.sequenceNumber >= 1, request.sequenceNumber <= UInt64(events.count) else {
            throw ledgerError(.notFound, "NOT_FOUND")
        }
        return Ledger_SealedEvent(events[Int(request.sequenceNumber) - 1])
    }

    func getEventById(
        request: Ledger_GetEventByIdRequest, context: ServerContext
    ) async throws -> Ledger_SealedEvent {
        guard let event = events.first(where: { $0.eventID == request.eventID }) else {
            throw ledgerError(.notFound, "NOT_FOUND")
        }
        return Ledger_SealedEvent(event)
    }

    func listEvents(
        request: Ledger_ListEventsRequest, response: RPCWriter<Ledger_SealedEvent>,
        context: ServerContext
    ) async throws {
        let events = self.events
        let first = max(request.first, 1)
        let last = request.last == 0 ? UInt64(events.count) : request.last
        if first > last, !events.isEmpty, !request.follow {
            throw ledgerError(.outOfRange, "OUT_OF_RANGE")
        }
        let streams = state.withLock { state in
            state.streams += 1
            return state.streams
        }
        var sent = 0
        for event in events where event.sequenceNumber >= first && event.sequenceNumber <= last {
            if let answersPerStream, sent >= answersPerStream, streams < 100 {
                throw RPCError(code: .unavailable, message: "the connection broke")
            }
            try await response.write(Ledger_SealedEvent(event))
            sent += 1
        }
        // The worst moment: everything was sent, and only the end is missing.
        if sent == answersPerStream {
            throw RPCError(code: .unavailable, message: "the connection broke")
        }
        if request.follow { throw RPCError(code: .unavailable, message: "the service stops") }
    }

    func healthCheck(
        request: Ledger_HealthCheckRequest, context: ServerContext
    ) async throws -> Ledger_HealthCheckResponse {
        .with {
            $0.healthy = true
            $0.status = "SERVING"
            // Behind on purpose: what a replica reports may be a moment old.
            $0.lastSequenceNumber = UInt64(max(0, events.count - 2))
        }
    }

    func verifyEvents(
        request: Ledger_VerifyEventsRequest, context: ServerContext
    ) async throws -> Ledger_VerifyEventsResponse {
        .with {
            $0.firstFinding = .with {
                $0.sequenceNumber = 7
                $0.kind = "link_broken"
            }
        }
    }

    func getCheckpoint(
        request: Ledger_GetCheckpointRequest, context: ServerContext
    ) async throws -> Ledger_GetCheckpointResponse {
        guard let note = proofs.note else {
            throw ledgerError(.failedPrecondition, "NO_SIGNING_KEY")
        }
        return .with { $0.note = note }
    }

    func getInclusionProof(
        request: Ledger_GetInclusionProofRequest, context: ServerContext
    ) async throws -> Ledger_GetInclusionProofResponse {
        proofs.inclusion
    }

    func getConsistencyProof(
        request: Ledger_GetConsistencyProofRequest, context: ServerContext
    ) async throws -> Ledger_GetConsistencyProofResponse {
        proofs.consistency
    }

    func getReceipt(
        request: Ledger_GetReceiptRequest, context: ServerContext
    ) async throws -> Ledger_GetReceiptResponse {
        let calls = state.withLock { state in
            state.receiptCalls += 1
            return state.receiptCalls
        }
        guard let receipt = proofs.receipt, calls > proofs.refusedReceipts else {
            throw ledgerError(.unavailable, "NOT_YET_COVERED", retryAfter: .milliseconds(1))
        }
        return receipt
    }
}

/// What a ``FakeLedger`` says to prove its events, whether that is right or not.
struct FakeProofs: Sendable {
    var note: String?
    var inclusion = Ledger_GetInclusionProofResponse()
    var consistency = Ledger_GetConsistencyProofResponse()
    var receipt: Ledger_GetReceiptResponse?
    /// How many calls for receipts are told that no checkpoint covers the event yet.
    var refusedReceipts = 0
}
