import Synchronization

/// The connections of a transport at one moment.
package struct ConnectionStatistics: Hashable, Sendable {
    /// Connections that carry at least one request.
    package var active = 0
    /// Connections that carry none, or are being made.
    package var idle = 0
    /// How many requests had to wait for a connection since the transport was made.
    package var waitCount: Int64 = 0
}

/// The connections' numbers, written by libcurl's thread and read by any.
final class StatisticsBoard: Sendable {
    private let numbers = Mutex(ConnectionStatistics())

    var current: ConnectionStatistics { numbers.withLock { $0 } }

    func update(_ statistics: ConnectionStatistics) {
        numbers.withLock { $0 = statistics }
    }
}
