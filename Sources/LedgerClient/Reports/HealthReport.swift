package import LedgerAPI

/// A replica's state and that of everything it depends on.
public struct HealthReport: Sendable, Hashable {
    /// The state of a replica or of something that it depends on.
    public enum Status: String, Sendable, Hashable {
        /// The service did not say, or said what this client doesn't know.
        case unspecified = "SERVICE_STATUS_UNSPECIFIED"
        /// It works.
        case healthy = "HEALTHY"
        /// It works in part.
        case degraded = "DEGRADED"
        /// It doesn't work.
        case unhealthy = "UNHEALTHY"
    }

    /// Something that the replica depends on, such as a member of its store.
    public struct Dependency: Sendable, Hashable {
        /// Its name, such as `etcd/host:port`.
        public var name: String
        /// `DATABASE` or `GRPC_SERVICE`.
        public var type: String
        /// Its state.
        public var status: Status
        /// Whether the replica is unhealthy without it.
        public var isCritical: Bool
        /// The state in words.
        public var message: String
        /// What went wrong; empty where nothing did.
        public var error: String
        /// Its host; empty where that means nothing.
        public var hostname: String
        /// Its port.
        public var port: Int
        /// The protocol that is spoken to it.
        public var protocolName: String
        /// Connections to it; nil where there is no pool.
        public var pool: Pool?
        /// Further facts.
        public var metadata: [String: String]
        /// When it was asked last, RFC 3339.
        public var lastCheck: String
        /// How long its answer took.
        public var responseTimeMilliseconds: Int64
    }

    /// The connections to a dependency.
    public struct Pool: Sendable, Hashable {
        /// How many there may be.
        public var maximum: Int
        /// How many are in use.
        public var active: Int
        /// How many are open and free.
        public var idle: Int
        /// How often a call had to wait for one.
        public var waitCount: Int64
    }

    /// The replica's state.
    public var status: Status

    /// The state in words.
    public var message: String

    /// Everything it depends on.
    public var dependencies: [Dependency]

    /// When this was found out, RFC 3339.
    public var checkedAt: String

    /// How long it took.
    public var checkDurationMilliseconds: Int64
}

extension HealthReport {
    package init(_ message: Ledger_GetHealthResponse) {
        self.init(
            status: Status(message.status),
            message: message.message,
            dependencies: message.dependencies.map(Dependency.init),
            checkedAt: message.checkedAt,
            checkDurationMilliseconds: message.checkDurationMs)
    }
}

extension HealthReport.Status {
    fileprivate init(_ status: Ledger_ServiceStatus) {
        switch status {
        case .healthy: self = .healthy
        case .degraded: self = .degraded
        case .unhealthy: self = .unhealthy
        case .unspecified, .UNRECOGNIZED: self = .unspecified
        }
    }
}

extension HealthReport.Dependency {
    fileprivate init(_ message: Ledger_DependencyHealth) {
        let pool = message.config.poolInfo
        self.init(
            name: message.name,
            type: Self.typeName(message.type),
            status: HealthReport.Status(message.status),
            isCritical: message.isCritical,
            message: message.message,
            error: message.error,
            hostname: message.config.hostname,
            port: Int(message.config.port),
            protocolName: message.config.protocol,
            pool: message.config.hasPoolInfo
                ? HealthReport.Pool(
                    maximum: Int(pool.maxConnections), active: Int(pool.activeConnections),
                    idle: Int(pool.idleConnections), waitCount: pool.waitCount)
                : nil,
            metadata: message.metadata,
            lastCheck: message.lastCheck,
            responseTimeMilliseconds: message.responseTimeMs)
    }

    private static func typeName(_ type: Ledger_DependencyType) -> String {
        switch type {
        case .database: "DATABASE"
        case .grpcService: "GRPC_SERVICE"
        case .unspecified, .UNRECOGNIZED: "DEPENDENCY_TYPE_UNSPECIFIED"
        }
    }
}
