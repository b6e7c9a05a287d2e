import LedgerAPI

/// GetHealthResponse as JSON: the proto's field names, enum names as text, integers as numbers.
///
/// protobuf's own JSON form would write 64-bit integers as text and leave empty fields out.
enum HealthJSON {
    /// The whole answer.
    static func encode(_ health: Ledger_GetHealthResponse) -> String {
        object([
            ("status", text(name(health.status))),
            ("message", text(health.message)),
            ("dependencies", "[\(health.dependencies.map(dependency).joined(separator: ","))]"),
            ("checked_at", text(health.checkedAt)),
            ("check_duration_ms", "\(health.checkDurationMs)"),
        ])
    }

    private static func dependency(_ dependency: Ledger_DependencyHealth) -> String {
        let metadata = dependency.metadata.sorted { $0.key < $1.key }
        return object([
            ("name", text(dependency.name)),
            ("type", text(name(dependency.type))),
            ("status", text(name(dependency.status))),
            ("is_critical", "\(dependency.isCritical)"),
            ("message", text(dependency.message)),
            ("error", text(dependency.error)),
            ("config", configuration(dependency.config)),
            ("metadata", object(metadata.map { ($0.key, text($0.value)) })),
            ("last_check", text(dependency.lastCheck)),
            ("response_time_ms", "\(dependency.responseTimeMs)"),
        ])
    }

    private static func configuration(_ configuration: Ledger_DependencyConfig) -> String {
        let pool = configuration.poolInfo
        return object([
            ("hostname", text(configuration.hostname)),
            ("port", "\(configuration.port)"),
            ("protocol", text(configuration.protocol)),
            (
                "pool_info",
                object([
                    ("max_connections", "\(pool.maxConnections)"),
                    ("active_connections", "\(pool.activeConnections)"),
                    ("idle_connections", "\(pool.idleConnections)"),
                    ("wait_count", "\(pool.waitCount)"),
                ])
            ),
        ])
    }

    static func name(_ status: Ledger_ServiceStatus) -> String {
        switch status {
        case .unspecified: "SERVICE_STATUS_UNSPECIFIED"
        case .healthy: "HEALTHY"
        case .degraded: "DEGRADED"
        case .unhealthy: "UNHEALTHY"
        case .UNRECOGNIZED(let number): "\(number)"
        }
    }

    static func name(_ type: Ledger_DependencyType) -> String {
        switch type {
        case .unspecified: "DEPENDENCY_TYPE_UNSPECIFIED"
        case .database: "DATABASE"
        case .grpcService: "GRPC_SERVICE"
        case .UNRECOGNIZED(let number): "\(number)"
        }
    }

    private static func text(_ value: String) -> String {
        JSONText.quoted(value)
    }

    private static func object(_ members: [(String, String)]) -> String {
        "{\(members.map { "\(JSONText.quoted($0)):\($1)" }.joined(separator: ","))}"
    }
}
