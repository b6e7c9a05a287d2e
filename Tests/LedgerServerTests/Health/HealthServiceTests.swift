import EtcdGateway
import EtcdHealth
import GRPCCore
import LedgerAPI
import Logging
import TestSupport
import Testing

@testable import LedgerServer

/// A reporter on members that all answer, but for the ports that do not.
func makeReporter(
    board: StatusBoard, ports: [Int] = [1, 2, 3], unreachable: Set<Int> = []
) -> HealthReporter {
    let monitor = EtcdHealthMonitor(
        endpoints: ports.map(EtcdSamples.endpoint), interval: .seconds(30),
        pingTimeout: .seconds(5),
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        probe: { endpoint, _ throws(EtcdError) in
            if unreachable.contains(endpoint.port) { throw EtcdSamples.unreachable() }
            return EtcdSamples.status(of: endpoint)
        })
    return HealthReporter(
        board: board, monitor: monitor,
        pool: { EtcdPoolStatistics(maxConnections: 25, active: 1, idle: 2, waitCount: 3) })
}

@Suite("ledger.Health over loopback")
struct HealthServiceTests {
    private let board = StatusBoard(
        initial: LedgerStatus(state: .serving, readsServed: true, message: "all is well"))

    @Test("GetHealth asks every member and reports")
    func health() async throws {
        let service = HealthService(reporter: makeReporter(board: board, unreachable: [2]))
        try await withLoopbackClient(to: [service]) { client, _ in
            let answer = try await Ledger_Health.Client(wrapping: client).getHealth(.init())
            #expect(answer.status == .degraded)
            #expect(answer.message == "all is well")
            #expect(answer.dependencies.map(\.status) == [.healthy, .unhealthy, .healthy])
            #expect(answer.checkedAt.hasSuffix("Z"))
            #expect(answer.checkDurationMs >= 1)
        }
    }

    @Test("GetLiveness answers whatever the state is")
    func liveness() async throws {
        board.update(.starting)
        let service = HealthService(reporter: makeReporter(board: board))
        try await withLoopbackClient(to: [service]) { client, _ in
            let answer = try await Ledger_Health.Client(wrapping: client).getLiveness(.init())
            #expect(answer.alive)
            #expect(answer.uptimeSeconds >= 0)
        }
    }
}
