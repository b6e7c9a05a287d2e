package import EtcdGateway
package import EtcdHealth
import Foundation
package import LedgerAPI
package import LedgerTransparency
import SwiftProtobuf

/// Answers how this replica is, for gRPC and for the admin port alike.
package final class HealthReporter: Sendable {
    private let board: StatusBoard
    private let monitor: EtcdHealthMonitor
    private let pool: @Sendable () -> EtcdPoolStatistics?
    private let further: @Sendable () -> [Ledger_DependencyHealth]
    private let trouble: @Sendable () -> EtcdTrouble?
    private let audit: @Sendable () -> AuditReport?
    private let breakers: @Sendable () -> [EtcdBreakerStatus]
    private let storage: @Sendable () -> StorageReport
    private let start = ContinuousClock.now

    /// Makes a reporter.
    ///
    /// - Parameters:
    ///   - pool: the connections to etcd; one pool for all members.
    ///   - further: dependencies other than etcd's members, for example the sealing replica.
    ///   - trouble: what etcd refuses lastingly.
    ///   - audit: what the continuous audit knows; nil where there is none.
    ///   - breakers: which members are asked.
    ///   - storage: how full etcd is.
    package init(
        board: StatusBoard, monitor: EtcdHealthMonitor,
        pool: @escaping @Sendable () -> EtcdPoolStatistics? = { nil },
        further: @escaping @Sendable () -> [Ledger_DependencyHealth] = { [] },
        trouble: @escaping @Sendable () -> EtcdTrouble? = { nil },
        audit: @escaping @Sendable () -> AuditReport? = { nil },
        breakers: @escaping @Sendable () -> [EtcdBreakerStatus] = { [] },
        storage: @escaping @Sendable () -> StorageReport = { StorageReport() }
    ) {
        self.board = board
        self.monitor = monitor
        self.pool = pool
        self.further = further
        self.trouble = trouble
        self.audit = audit
        self.breakers = breakers
        self.storage = storage
    }

    /// What the replica can do now, and where etcd says why not, that.
    package var status: LedgerStatus {
        var status = board.current
        switch status.state {
        case .starting, .readOnly, .serving:
            if let trouble = trouble() { status.message = "\(trouble)" }
        case .fenced, .stopping: break
        }
        return status
    }

    /// Asks every member of etcd, for at most a second, and reports.
    package func health() async -> Ledger_GetHealthResponse {
        let began = ContinuousClock.now
        let members = await monitor.checkOnDemand()
        let audited = audit()
        let report = HealthAnswer(
            status: status, members: members, pool: pool(),
            further: further() + [audited?.dependency, storage().dependency].compactMap { $0 },
            alarm: audited?.alarm, breakers: breakers())
        return .with {
            $0.status = report.overall
            $0.message = report.message
            $0.dependencies = report.dependencies
            $0.checkedAt = Timestamp.rfc3339(Date())
            let duration = began.duration(to: .now)
            $0.checkDurationMs = Int64((duration / .milliseconds(1)).rounded(.up))
        }
    }

    /// Since when this process turns; that it answers is all there is to liveness.
    package func liveness() -> Ledger_GetLivenessResponse {
        .with {
            $0.alive = true
            $0.uptimeSeconds = start.duration(to: .now).components.seconds
        }
    }
}
