/// The connections of an `EtcdClient` at one moment, as the system has them, and what has become of those before.
package struct EtcdPoolStatistics: Hashable, Sendable {
    /// The configured bound.
    package var maxConnections: Int
    /// Connections that carry at least one request.
    package var active: Int
    /// Connections that carry none.
    package var idle: Int
    /// How many requests had to wait for a connection since the client was made.
    package var waitCount: Int64
    /// Sockets whose connection is being made.
    package var opening: Int
    /// Requests that wait for a connection now.
    package var waiting: Int
    /// Connections that were made since the client was.
    package var openedCount: Int64
    /// How long requests have waited for a connection, all together.
    package var waitTime: Duration
    /// Requests that were refused because too many waited, or that waited too long.
    package var refusedCount: Int64

    package init(
        maxConnections: Int, active: Int, idle: Int, waitCount: Int64, opening: Int = 0,
        waiting: Int = 0, openedCount: Int64 = 0, waitTime: Duration = .zero,
        refusedCount: Int64 = 0
    ) {
        self.maxConnections = maxConnections
        self.active = active
        self.idle = idle
        self.waitCount = waitCount
        self.opening = opening
        self.waiting = waiting
        self.openedCount = openedCount
        self.waitTime = waitTime
        self.refusedCount = refusedCount
    }

    /// Two clients' connections together.
    package static func + (left: Self, right: Self) -> Self {
        Self(
            maxConnections: left.maxConnections + right.maxConnections,
            active: left.active + right.active, idle: left.idle + right.idle,
            waitCount: left.waitCount + right.waitCount, opening: left.opening + right.opening,
            waiting: left.waiting + right.waiting,
            openedCount: left.openedCount + right.openedCount,
            waitTime: left.waitTime + right.waitTime,
            refusedCount: left.refusedCount + right.refusedCount)
    }
}
