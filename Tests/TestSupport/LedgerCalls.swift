package import GRPCCore
package import GRPCNIOTransportHTTP2
package import LedgerAPI
import SwiftProtobuf

/// A caller of the ledger, on a connection of its own.
///
/// Nothing is retried or explained away: what comes is what a caller in any language gets.
package final class LedgerCalls: Sendable {
    package typealias Transport = HTTP2ClientTransport.Posix

    package let client: GRPCClient<Transport>
    private let running: Task<Void, any Error>

    /// No call takes longer, for a test must end.
    package static let longestCall = Duration.seconds(60)

    /// Begins to connect; nothing is waited for.
    ///
    /// - Parameters:
    ///   - windowBytes: How many bytes of answers may be on their way unread, on a stream.
    ///   - security: Plaintext, or what the service's certificate is checked with.
    package init(
        port: Int, windowBytes: Int = 8 << 20, security: Transport.TransportSecurity = .plaintext
    ) throws {
        var config = Transport.Config.defaults
        config.http2.targetWindowSize = windowBytes
        config.backoff = .init(
            initial: .milliseconds(20), max: .milliseconds(200), multiplier: 1.6, jitter: 0.2)
        let client = GRPCClient(
            transport: try Transport(
                target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: security,
                config: config))
        self.client = client
        // Unstructured: the connection lives as long as its owner says, not as a scope does.
        running = Task { try await client.runConnections() }
    }

    /// Connects to a service that has begun to listen.
    package convenience init(_ process: LedgerProcess, windowBytes: Int = 8 << 20) async throws {
        try self.init(port: try await process.port(), windowBytes: windowBytes)
    }

    /// Ends the connection and the calls that are still open on it.
    package func close() async {
        running.cancel()
        _ = try? await running.value
    }

    package var ledger: Ledger_ImmutableLedger.Client<Transport> { .init(wrapping: client) }
    package var health: Grpc_Health_V1_Health.Client<Transport> { .init(wrapping: client) }

    private static func options(_ timeout: Duration?) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = timeout
        // Where nobody listens a call fails, instead of waiting for somebody.
        options.waitForReady = false
        return options
    }

    // MARK: Submitting

    /// Submits one event.
    ///
    /// - Parameter timeout: The caller's deadline; by default none but a test's patience.
    package func submit(
        _ event: Ledger_CertifiedEvent, timeout: Duration = LedgerCalls.longestCall
    ) async -> CallAnswer {
        do {
            return .sealed(
                try await ledger.submitEvent(event, options: Self.options(timeout)))
        } catch {
            return CallAnswer(CallFailure(error))
        }
    }

    /// Submits the same event until its fate is settled.
    package func settle(
        _ event: Ledger_CertifiedEvent, within limit: Duration = .seconds(60)
    ) async throws -> CallAnswer {
        let deadline = ContinuousClock.now + limit
        while true {
            let answer = await submit(event)
            switch answer {
            case .sealed, .duplicate, .conflicting: return answer
            case .notSealed, .unknown: break
            }
            guard ContinuousClock.now < deadline else {
                throw TestFailure("\(event.eventID) is not settled after \(limit): \(answer)")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Submits events through one stream and collects the answers, in their order.
    package func submitStream(
        _ events: [Ledger_CertifiedEvent]
    ) async throws -> [CallAnswer] {
        try await failing {
            try await ledger.submitEvents(
                options: Self.options(Self.longestCall * 3),
                requestProducer: { writer in try await writer.write(contentsOf: events) },
                onResponse: { response in
                    var answers: [CallAnswer] = []
                    for try await result in response.messages {
                        answers.append(CallAnswer(result))
                    }
                    return answers
                })
        }
    }

    // MARK: Reading

    package func event(_ number: UInt64) async throws -> Ledger_SealedEvent {
        try await failing {
            try await ledger.getEvent(
                .with { $0.sequenceNumber = number }, options: Self.options(Self.longestCall))
        }
    }

    package func event(id: String) async throws -> Ledger_SealedEvent {
        try await failing {
            try await ledger.getEventById(
                .with { $0.eventID = id }, options: Self.options(Self.longestCall))
        }
    }

    /// A range of the ledger; zeros mean the first event and the head.
    package func events(
        first: UInt64 = 0, last: UInt64 = 0
    ) async throws -> [Ledger_SealedEvent] {
        try await failing {
            try await ledger.listEvents(
                .with {
                    $0.first = first
                    $0.last = last
                }, options: Self.options(Self.longestCall)
            ) { response in
                var events: [Ledger_SealedEvent] = []
                for try await event in response.messages { events.append(event) }
                return events
            }
        }
    }

    package func verify(
        first: UInt64 = 0, last: UInt64 = 0
    ) async throws -> Ledger_VerifyEventsResponse {
        try await failing {
            try await ledger.verifyEvents(
                .with {
                    $0.first = first
                    $0.last = last
                }, options: Self.options(Self.longestCall))
        }
    }

    // MARK: Checkpoints and proofs

    package func checkpoint() async throws -> String {
        try await failing {
            try await ledger.getCheckpoint(.init(), options: Self.options(Self.longestCall)).note
        }
    }

    /// - Parameter size: 0 for the head.
    package func inclusion(
        of number: UInt64, size: UInt64 = 0
    ) async throws -> Ledger_GetInclusionProofResponse {
        try await failing {
            try await ledger.getInclusionProof(
                .with {
                    $0.sequenceNumber = number
                    $0.treeSize = size
                }, options: Self.options(Self.longestCall))
        }
    }

    /// - Parameter second: 0 for the head.
    package func consistency(
        from first: UInt64, to second: UInt64 = 0
    ) async throws -> Ledger_GetConsistencyProofResponse {
        try await failing {
            try await ledger.getConsistencyProof(
                .with {
                    $0.firstSize = first
                    $0.secondSize = second
                }, options: Self.options(Self.longestCall))
        }
    }

    package func receipt(
        of number: UInt64, waitMilliseconds: UInt32 = 0,
        timeout: Duration = LedgerCalls.longestCall
    ) async throws -> Ledger_GetReceiptResponse {
        try await failing {
            try await ledger.getReceipt(
                .with {
                    $0.sequenceNumber = number
                    $0.waitMs = waitMilliseconds
                }, options: Self.options(timeout))
        }
    }

    // MARK: Health

    package func healthCheck() async throws -> Ledger_HealthCheckResponse {
        try await failing {
            try await ledger.healthCheck(.init(), options: Self.options(Self.longestCall))
        }
    }

    /// The detailed view of health.
    package func detailedHealth() async throws -> Ledger_GetHealthResponse {
        try await failing {
            try await Ledger_Health.Client(wrapping: client)
                .getHealth(.init(), options: Self.options(Self.longestCall))
        }
    }

    /// The status of a service name in gRPC's own health protocol.
    package func servingStatus(
        _ service: String
    ) async throws -> Grpc_Health_V1_HealthCheckResponse.ServingStatus {
        try await failing {
            try await health.check(
                .with { $0.service = service }, options: Self.options(Self.longestCall)
            ).status
        }
    }

    // MARK: Failing

    /// Every failure becomes a `CallFailure`.
    private func failing<Value>(_ call: () async throws -> Value) async throws -> Value {
        do {
            return try await call()
        } catch {
            throw CallFailure(error)
        }
    }
}
