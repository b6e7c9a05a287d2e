/// The connections of an `EtcdClient` at one moment.
package struct EtcdPoolStatistics: Hashable, Sendable {
    /// The configured bound.
    package var maxConnections: Int
    /// Connections that carry at least one request.
    package var active: Int
    /// Connections that carry none, or are being made.
    package var idle: Int
    /// How many requests had to wait for a connection since the client was made.
    package var waitCount: Int64

    package init(maxConnections: Int, active: Int, idle: Int, waitCount: Int64) {
        self.maxConnections = maxConnections
        self.active = active
        self.idle = idle
        self.waitCount = waitCount
    }

    /// Two clients' connections together.
    package static func + (left: Self, right: Self) -> Self {
        Self(
            maxConnections: left.maxConnections + right.maxConnections,
            active: left.active + right.active, idle: left.idle + right.idle,
            waitCount: left.waitCount + right.waitCount)
    }
}
