import EtcdGateway
package import EtcdHealth
import Foundation
import LedgerCore
package import LedgerReplica
import PrometheusExposition

extension LedgerMetrics {
    /// Shows what the replica can do now, and when it saw the newest event sealed.
    ///
    /// - Parameter forwards: whether replicas forward to one of them, so that there must be one that seals.
    package func observe(_ board: StatusBoard, of replica: Replica, forwards: Bool) {
        for state in ServingState.allCases {
            registry.sampled(
                "ledger_state", .gauge, help: "1 for the state that HealthCheck tells, else 0.",
                labels: [PrometheusLabel("state", state.rawValue)]
            ) { board.current.state == state ? 1 : 0 }
        }
        registry.sampled(
            "ledger_ready", .gauge, help: "1 while /readyz is 200: reads are served."
        ) { board.current.isReady ? 1 : 0 }
        registry.sampled(
            "ledger_forwarding_enabled", .gauge,
            help: "1 where replicas forward to the one that seals (LEDGER_FORWARDING)."
        ) { forwards ? 1 : 0 }
        registry.sampled(
            "ledger_last_seal_timestamp_seconds", .gauge,
            help:
                "When the newest event that this replica knows was sealed; nothing before the first."
        ) {
            guard let head = replica.knownObservation?.head, head.sequence > .zero else {
                return nil
            }
            return Double(head.sealedTimestamp) / 1_000
        }
        registry.sampled(
            "ledger_id_index_events", .gauge, help: "Events whose ids are in the index."
        ) { Double(replica.index.events) }
        registry.sampled(
            "ledger_id_index_bytes", .gauge, help: "Bytes of memory that the index of ids takes."
        ) { Double(replica.index.bytes) }
    }

    /// Shows how many connections to etcd there may be.
    package func observe(maxConnections: Int) {
        registry.sampled(
            "ledger_etcd_connections_max", .gauge, help: "Connections to etcd that there may be."
        ) { Double(maxConnections) }
    }

    /// Shows whether this replica's clock may date events.
    package func observe(_ clock: SystemClock) {
        registry.sampled(
            "ledger_clock_trusted", .gauge,
            help: "1 while the clock agrees with those of most of etcd's members, else 0."
        ) {
            if case .trusted = clock.moment.wall { 1 } else { 0 }
        }
    }

    /// Shows what etcd's members said when they were asked last.
    package func observe(_ monitor: EtcdHealthMonitor) {
        for (index, member) in monitor.members.enumerated() {
            let labels = [PrometheusLabel("endpoint", member.endpoint.hostPort)]
            registry.sampled(
                "ledger_etcd_member_up", .gauge,
                help: "1 while the member answers, knows a leader, and nothing is wrong with it.",
                labels: labels
            ) { monitor.members[index].condition == .healthy ? 1 : 0 }
            registry.sampled(
                "ledger_etcd_member_has_leader", .gauge,
                help: "1 while the member answers that it knows a leader.", labels: labels
            ) {
                let member = monitor.members[index]
                return member.answers && member.status?.leader ?? 0 != 0 ? 1 : 0
            }
        }
    }
}
