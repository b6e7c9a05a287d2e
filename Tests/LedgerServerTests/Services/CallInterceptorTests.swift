import EtcdGateway
import EtcdHealth
import GRPCCore
import GRPCProtobuf
import GRPCReflection
import LedgerAPI
import Logging
import SwiftProtobuf
import Synchronization
import TaskCoordination
import TestSupport
import Testing

@testable import LedgerServer

/// The callers of these tests have no alarm of their own: what they are told comes from the server.
@Suite("Deadlines of open calls over loopback", .timeLimit(.minutes(1)))
struct CallInterceptorTests {
    /// The library takes no notice of the second one, which is how grpc-go writes 50 ms.
    static let timeouts = ["50m", "50000000n"]

    private let board = StatusBoard()
    private let interceptor = CallInterceptor(CallWatch(shutdown: ShutdownSignal()))

    private func info(_ error: RPCError?) -> String? {
        let status = try? error?.unpackGoogleRPCStatus()
        let info = status?.details.first?.errorInfo
        return info.map { "\($0.domain)/\($0.reason)" }
    }

    @Test("Watch ends with DEADLINE_EXCEEDED, what it told before stands", arguments: timeouts)
    func watch(timeout: String) async throws {
        let board = board
        try await withLoopbackClient(
            to: [GRPCHealthService(board: board)], interceptors: [interceptor]
        ) { client, _ in
            let answers = Mutex(0)
            let error = await #expect(throws: RPCError.self) {
                try await Grpc_Health_V1_Health.Client(wrapping: client).watch(
                    .init(), metadata: ["grpc-timeout": .string(timeout)]
                ) { response in
                    for try await _ in response.messages { answers.withLock { $0 += 1 } }
                }
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(info(error) == "ledger/DEADLINE_EXCEEDED")
            #expect(answers.withLock { $0 } == 1)
        }
        #expect(board.watcherCount == 0)
    }

    @Test("an idle stream of reflection does as well", arguments: timeouts)
    func reflection(timeout: String) async throws {
        let index = try DescriptorIndex(base64: LedgerDescriptors.fileDescriptorSetBase64)
        try await withLoopbackClient(
            to: [ReflectionService(index: index)], interceptors: [interceptor]
        ) { client, _ in
            let ended = Settlement<Void>()
            let error = await #expect(throws: RPCError.self) {
                try await Grpc_Reflection_V1_ServerReflection.Client(wrapping: client)
                    .serverReflectionInfo(metadata: ["grpc-timeout": .string(timeout)]) { writer in
                        try await writer.write(.with { $0.listServices = "" })
                        await ended.value
                    } onResponse: { response in
                        defer { ended.settle(()) }
                        for try await _ in response.messages {}
                    }
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(info(error) == "ledger/DEADLINE_EXCEEDED")
        }
    }

    @Test("GetHealth does not wait for a member beyond it", arguments: timeouts)
    func health(timeout: String) async throws {
        let answered = Settlement<Void>()
        let monitor = EtcdHealthMonitor(
            endpoints: [EtcdSamples.endpoint(1)], interval: .seconds(30), pingTimeout: .seconds(5),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            probe: { endpoint, _ throws(EtcdError) in
                await answered.value
                return EtcdSamples.status(of: endpoint)
            })
        let reporter = HealthReporter(board: board, monitor: monitor)
        try await withLoopbackClient(
            to: [HealthService(reporter: reporter)], interceptors: [interceptor]
        ) { client, _ in
            let error = await #expect(throws: RPCError.self) {
                _ = try await Ledger_Health.Client(wrapping: client).getHealth(
                    .init(), metadata: ["grpc-timeout": .string(timeout)])
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(info(error) == "ledger/DEADLINE_EXCEEDED")
        }
        answered.settle(())
    }
}
