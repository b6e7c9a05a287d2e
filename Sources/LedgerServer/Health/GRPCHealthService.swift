package import GRPCCore
package import LedgerAPI
import SwiftProtobuf

/// `grpc.health.v1.Health`: what Kubernetes' probes and gRPC's load balancers ask.
///
/// `""` is SERVING while reads are served, for without a quorum the ledger is read-only and not
/// down; `ledger.ImmutableLedger` only while events can be sealed.
package struct GRPCHealthService: Sendable {
    /// The name under which sealing is reported.
    package static let ledgerService = "ledger.ImmutableLedger"
    /// How many streams of Watch are served at once.
    package static let maxWatchers = 1024

    private let board: StatusBoard

    /// Answers from `board`; its `finish()` ends every Watch, with `STOPPING`.
    package init(board: StatusBoard) {
        self.board = board
    }

    /// What is answered for a service's name; nil for a name that is not known.
    static func servingStatus(
        of service: String, _ status: LedgerStatus
    ) -> Grpc_Health_V1_HealthCheckResponse.ServingStatus? {
        switch service {
        case "": status.isReady ? .serving : .notServing
        case ledgerService: status.state == .serving ? .serving : .notServing
        default: nil
        }
    }

    private func response(
        _ status: Grpc_Health_V1_HealthCheckResponse.ServingStatus
    ) -> Grpc_Health_V1_HealthCheckResponse {
        .with { $0.status = status }
    }
}

extension GRPCHealthService: Grpc_Health_V1_Health.SimpleServiceProtocol {
    package func check(
        request: Grpc_Health_V1_HealthCheckRequest, context: ServerContext
    ) async throws -> Grpc_Health_V1_HealthCheckResponse {
        guard let status = Self.servingStatus(of: request.service, board.current) else {
            throw LedgerRPCError.notFound(
                "there is no such service; known are \"\" and \"\(Self.ledgerService)\"")
        }
        return response(status)
    }

    package func list(
        request: Grpc_Health_V1_HealthListRequest, context: ServerContext
    ) async throws -> Grpc_Health_V1_HealthListResponse {
        let current = board.current
        return .with { list in
            for service in ["", Self.ledgerService] {
                list.statuses[service] = Self.servingStatus(of: service, current).map(response)
            }
        }
    }

    package func watch(
        request: Grpc_Health_V1_HealthCheckRequest,
        response writer: RPCWriter<Grpc_Health_V1_HealthCheckResponse>, context: ServerContext
    ) async throws {
        guard board.watcherCount < Self.maxWatchers else {
            throw LedgerRPCError(
                .resourceExhausted, .overloaded, "too many streams of Watch are open",
                retryDelay: .seconds(1))
        }
        let updates = board.updates()
        let service = request.service
        var last: Grpc_Health_V1_HealthCheckResponse.ServingStatus?
        for await update in updates {
            let status = Self.servingStatus(of: service, update) ?? .serviceUnknown
            guard status != last else { continue }
            last = status
            try await writer.write(response(status))
        }
        try Task.checkCancellation()
        // The board is finished: the replica has said that it stops, and now does.
        throw LedgerRPCError.stopping()
    }
}
