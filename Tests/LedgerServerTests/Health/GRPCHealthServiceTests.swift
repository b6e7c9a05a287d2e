import GRPCCore
import GRPCProtobuf
import LedgerAPI
import SwiftProtobuf
import TestSupport
import Testing

@testable import LedgerServer

@Suite("grpc.health.v1 over loopback")
struct GRPCHealthServiceTests {
    typealias Response = Grpc_Health_V1_HealthCheckResponse

    private let board = StatusBoard()

    @Test(
        "Reads make the server SERVING, sealing the ledger",
        arguments: [
            (
                ServingState.starting, false, Response.ServingStatus.notServing,
                Response.ServingStatus.notServing
            ), (.serving, true, .serving, .serving), (.readOnly, true, .serving, .notServing),
            (.fenced, true, .serving, .notServing), (.readOnly, false, .notServing, .notServing),
            (.stopping, true, .notServing, .notServing),
        ])
    func statuses(
        _ state: ServingState, _ reads: Bool, _ server: Response.ServingStatus,
        _ ledger: Response.ServingStatus
    ) async throws {
        board.update(LedgerStatus(state: state, readsServed: reads))
        try await withLoopbackClient(to: [GRPCHealthService(board: board)]) { client, _ in
            let health = Grpc_Health_V1_Health.Client(wrapping: client)
            #expect(try await health.check(.init()).status == server)
            let named = Grpc_Health_V1_HealthCheckRequest.with {
                $0.service = "ledger.ImmutableLedger"
            }
            #expect(try await health.check(named).status == ledger)
            let list = try await health.list(.init()).statuses
            #expect(list.mapValues(\.status) == ["": server, "ledger.ImmutableLedger": ledger])
        }
    }

    @Test("Another name is NOT_FOUND with an ErrorInfo of the ledger")
    func unknownName() async throws {
        try await withLoopbackClient(to: [GRPCHealthService(board: board)]) { client, _ in
            let health = Grpc_Health_V1_Health.Client(wrapping: client)
            let error = try await #require(throws: RPCError.self) {
                _ = try await health.check(.with { $0.service = "nobody" })
            }
            #expect(error.code == .notFound)
            let info = try error.unpackGoogleRPCStatus()?.details.first?.errorInfo
            #expect(info?.domain == "ledger")
            #expect(info?.reason == "NOT_FOUND")
        }
    }

    /// Watches a service and does something after each answer; the answers, once the board is finished.
    private func watch(
        _ service: String,
        _ afterAnswer: @escaping @Sendable (Int) -> Void
    ) async throws -> [Response.ServingStatus] {
        try await withLoopbackClient(to: [GRPCHealthService(board: board)]) { client, _ in
            let health = Grpc_Health_V1_Health.Client(wrapping: client)
            return try await health.watch(.with { $0.service = service }) { response in
                var statuses: [Response.ServingStatus] = []
                do {
                    for try await message in response.messages {
                        statuses.append(message.status)
                        afterAnswer(statuses.count)
                    }
                    Issue.record("a stop is not told from an end")
                } catch let error as RPCError {
                    #expect(error.code == .unavailable)
                    let info = try error.unpackGoogleRPCStatus()?.details.first?.errorInfo
                    #expect(info?.reason == "STOPPING")
                }
                return statuses
            }
        }
    }

    @Test("Watch tells the present, then changes only, and ends with the board")
    func watching() async throws {
        let board = board
        let statuses = try await watch("ledger.ImmutableLedger") { count in
            switch count {
            case 1: board.update(LedgerStatus(state: .serving, readsServed: true))
            case 2:
                board.update { $0.message = "no change of the answer" }
                board.update { $0.state = .stopping }
            default: board.finish()
            }
        }
        #expect(statuses == [.notServing, .serving, .notServing])
        #expect(board.watcherCount == 0)
    }

    @Test("Watch of another name says SERVICE_UNKNOWN and stays open")
    func watchingUnknown() async throws {
        let board = board
        let statuses = try await watch("nobody") { _ in
            #expect(board.watcherCount == 1)
            board.update { $0.state = .stopping }
            board.finish()
        }
        #expect(statuses == [.serviceUnknown])
    }

    @Test("A graceful shutdown ends once the board is finished, though a Watch is open")
    func shutdown() async throws {
        let board = board
        try await withLoopbackClient(to: [GRPCHealthService(board: board)]) { client, server in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    let health = Grpc_Health_V1_Health.Client(wrapping: client)
                    await #expect(throws: RPCError.self) {
                        try await health.watch(.init()) { response in
                            for try await _ in response.messages {}
                        }
                    }
                }
                try await eventually("the stream is open") { board.watcherCount == 1 }
                server.beginGracefulShutdown()
                board.update { $0.state = .stopping }
                board.finish()
                try await group.waitForAll()
            }
        }
        #expect(board.watcherCount == 0)
    }

    @Test("A caller that goes away leaves no watcher behind")
    func cancellation() async throws {
        let board = board
        let interceptor = CallInterceptor(CallWatch(shutdown: ShutdownSignal()))
        try await withLoopbackClient(
            to: [GRPCHealthService(board: board)], interceptors: [interceptor]
        ) { client, _ in
            let health = Grpc_Health_V1_Health.Client(wrapping: client)
            let caller = Task {
                try await health.watch(.init()) { response in
                    for try await _ in response.messages {}
                }
            }
            try await eventually("the stream is open") { board.watcherCount == 1 }
            caller.cancel()
            _ = await caller.result
            try await eventually("the watcher is forgotten") { board.watcherCount == 0 }
        }
    }
}
