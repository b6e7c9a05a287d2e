import EtcdGateway
import EtcdHealth
import Foundation
import LedgerAPI
import SwiftProtobuf

/// Makes the detailed view of health out of what is known; pure.
struct HealthAnswer {
    let status: LedgerStatus
    let members: [EtcdMemberHealth]
    let pool: EtcdPoolStatistics?
    let further: [Ledger_DependencyHealth]
    /// What was found of the stored events; nil where nothing was.
    var alarm: String?
    /// Which members are asked.
    var breakers: [EtcdBreakerStatus] = []

    /// HEALTHY: events can be sealed and all dependencies are well. DEGRADED: reads are served, but
    /// sealing or a dependency is not well. UNHEALTHY: reads are not served.
    var overall: Ledger_ServiceStatus {
        guard status.isReady else { return .unhealthy }
        guard status.state == .serving else { return .degraded }
        return dependencies.allSatisfy { $0.status == .healthy } ? .healthy : .degraded
    }

    /// One sentence.
    var message: String {
        guard let alarm else { return condition }
        return "\(alarm); \(condition)"
    }

    private var condition: String {
        if !status.message.isEmpty { return status.message }
        let unwell = dependencies.filter { $0.status != .healthy }.count
        switch status.state {
        case .serving where unwell == 0: return "events are sealed"
        case .serving: return "events are sealed; \(unwell) dependencies are not well"
        case .starting: return "the ledger is being loaded"
        case .readOnly: return "events can be read but not sealed"
        case .fenced: return "the store was rolled back; sealing waits for an operator"
        case .stopping: return "the replica is stopping"
        }
    }

    /// The members of etcd, and what else was given.
    var dependencies: [Ledger_DependencyHealth] {
        members.map(dependency) + further
    }

    /// A member is one member, however many addresses lead to it.
    private var distinctMembers: Int {
        Set(members.compactMap(\.status?.memberID)).count + members.count { $0.status == nil }
    }

    private func dependency(_ member: EtcdMemberHealth) -> Ledger_DependencyHealth {
        .with {
            $0.name = "etcd/\(member.endpoint.hostPort)"
            $0.type = .database
            // Of several members one may be missing: what the service needs is a quorum.
            $0.isCritical = distinctMembers == 1
            ($0.status, $0.message, $0.error) = Self.judgement(of: member)
            $0.config = configuration(of: member)
            $0.metadata = metadata(of: member)
            $0.lastCheck = member.lastCheck.map(Timestamp.rfc3339) ?? ""
            $0.responseTimeMs = Int64((member.responseTime / .milliseconds(1)).rounded(.up))
        }
    }

    private static func judgement(
        of member: EtcdMemberHealth
    ) -> (Ledger_ServiceStatus, message: String, error: String) {
        switch member.condition {
        case .unchecked: (.unspecified, "the member has not been asked yet", "")
        case .healthy: (.healthy, "the member answers", "")
        case .impaired(let reason): (.degraded, reason, "impaired")
        case .unsafeVersion:
            (.unhealthy, "this release can lose committed transactions", "unsafe_version")
        case .troubled(let trouble):
            (
                trouble.kind == .noSpace ? .degraded : .unhealthy, "\(trouble)",
                trouble.kind.rawValue
            )
        case .unreachable(let code): (.unhealthy, "the member does not answer", code.rawValue)
        }
    }

    private func configuration(of member: EtcdMemberHealth) -> Ledger_DependencyConfig {
        .with {
            $0.hostname = member.endpoint.host
            $0.port = Int32(clamping: member.endpoint.port)
            $0.protocol = member.endpoint.scheme.rawValue
            guard let pool else { return }
            $0.poolInfo = .with {
                $0.maxConnections = Int32(clamping: pool.maxConnections)
                $0.activeConnections = Int32(clamping: pool.active)
                $0.idleConnections = Int32(clamping: pool.idle)
                $0.waitCount = Int64(pool.waitCount)
            }
        }
    }

    private func metadata(of member: EtcdMemberHealth) -> [String: String] {
        var metadata: [String: String] = [:]
        if let breaker = breakers.first(where: { $0.endpoint == member.endpoint }) {
            metadata["breaker"] = breaker.state.rawValue
            metadata["breaker_opened"] = "\(breaker.openedCount)"
        }
        if let pool, !breakers.isEmpty {
            metadata["connections_opening"] = "\(pool.opening)"
            metadata["connections_opened"] = "\(pool.openedCount)"
            metadata["requests_waiting"] = "\(pool.waiting)"
            metadata["wait_ms"] = "\(Int64(pool.waitTime / .milliseconds(1)))"
        }
        guard let status = member.status else { return metadata }
        metadata["version"] = status.version
        metadata["db_size"] = "\(status.dbSize)"
        metadata["leader"] = String(status.leader, radix: 16)
        metadata["raft_term"] = "\(status.raftTerm)"
        metadata["member_id"] = String(status.memberID, radix: 16)
        return metadata
    }
}
