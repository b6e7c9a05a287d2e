import Synchronization

/// The connections of a transport at one moment, and what has become of those before.
package struct ConnectionStatistics: Hashable, Sendable {
    /// Connections that carry at least one request.
    package var active = 0
    /// Connections that carry none.
    package var idle = 0
    /// Sockets whose connection is being made: TCP, or TLS.
    package var opening = 0
    /// Requests that wait for a connection that they do not make themselves.
    package var waiting = 0
    /// Connections that were made since the transport was, TLS included.
    package var openedCount: Int64 = 0
    /// How many requests had to wait so since then.
    package var waitCount: Int64 = 0
    /// How long these waited, all together. Those that still wait are not in it.
    package var waitTime = Duration.zero
    /// Requests that were refused because as many waited as may.
    package var refusedCount: Int64 = 0

    package init() {}
}

/// The connections' numbers, written by libcurl's thread and read by any.
final class StatisticsBoard: Sendable {
    private let numbers = Mutex(ConnectionStatistics())

    var current: ConnectionStatistics { numbers.withLock { $0 } }

    func update(_ statistics: ConnectionStatistics) {
        numbers.withLock { $0 = statistics }
    }
}
