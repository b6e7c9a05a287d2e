package import EtcdGateway
package import EtcdHealth
import PrometheusExposition

extension LedgerMetrics {
    /// Shows the connections to etcd beside those that are in use and idle: which are being made, who waits for one,
    /// and how many there were.
    package func observe(pool: @escaping @Sendable () -> EtcdPoolStatistics) {
        observeConnections {
            let pool = pool()
            return (pool.active, pool.idle)
        }
        let states: [(String, @Sendable (EtcdPoolStatistics) -> Int)] = [
            ("opening", { $0.opening }), ("waiting", { $0.waiting }),
        ]
        for (state, value) in states {
            registry.sampled(
                "ledger_etcd_connections", .gauge, help: "Connections to etcd by state.",
                labels: [PrometheusLabel("state", state)]
            ) { Double(value(pool())) }
        }
        let counters: [(String, String, @Sendable (EtcdPoolStatistics) -> Double)] = [
            (
                "ledger_etcd_connections_opened_total", "Connections to etcd that were made.",
                { Double($0.openedCount) }
            ),
            (
                "ledger_etcd_connection_waits_total",
                "Requests to etcd that had to wait for a connection.", { Double($0.waitCount) }
            ),
            (
                "ledger_etcd_connection_wait_seconds_total",
                "Seconds that requests to etcd waited for a connection.",
                { $0.waitTime / .seconds(1) }
            ),
            (
                "ledger_etcd_connection_refusals_total",
                "Requests to etcd that were refused because too many waited, or for too long.",
                { Double($0.refusedCount) }
            ),
        ]
        for (name, help, value) in counters {
            registry.sampled(name, .counter, help: help, labels: []) { value(pool()) }
        }
    }

    /// Shows which members are asked.
    ///
    /// - Parameter endpoints: the configured ones, which bounds the series.
    package func observe(
        breakers: @escaping @Sendable () -> [EtcdBreakerStatus], of endpoints: [EtcdEndpoint]
    ) {
        for endpoint in endpoints {
            let member = PrometheusLabel("endpoint", endpoint.hostPort)
            for state in EtcdBreakerStatus.State.allCases {
                registry.sampled(
                    "ledger_etcd_breaker", .gauge,
                    help: "1 for the state of the circuit breaker of a member, 0 for the others.",
                    labels: [member, PrometheusLabel("state", state.rawValue)]
                ) { breakers().contains { $0.endpoint == endpoint && $0.state == state } ? 1 : 0 }
            }
            registry.sampled(
                "ledger_etcd_breaker_opened_total", .counter,
                help: "How often the circuit breaker of a member has opened.", labels: [member]
            ) { Double(breakers().first { $0.endpoint == endpoint }?.openedCount ?? 0) }
        }
    }

    /// Shows how full etcd is.
    package func observe(storage: @escaping @Sendable () -> StorageReport) {
        let gauges: [(String, String, @Sendable (StorageReport) -> Double)] = [
            (
                "ledger_etcd_database_bytes", "Size of the database of etcd's fullest member.",
                { Double($0.databaseBytes ?? 0) }
            ),
            (
                "ledger_etcd_quota_bytes",
                "Size of its database at which etcd refuses to write, 0 where it is not known.",
                { Double($0.quotaBytes ?? 0) }
            ),
            (
                "ledger_etcd_seconds_until_full",
                "Seconds until nothing new is accepted, at the growth of the last hour; +Inf where "
                    + "etcd does not grow or its quota is not known.",
                { $0.secondsUntilFull ?? .infinity }
            ),
            (
                "ledger_etcd_seconds_until_full_untrimmed",
                "The same if nothing were trimmed any more, at the rate of sealing of the last hour.",
                { $0.secondsUntilFullUntrimmed ?? .infinity }
            ),
        ]
        for (name, help, value) in gauges {
            registry.sampled(name, .gauge, help: help, labels: []) { value(storage()) }
        }
    }
}
