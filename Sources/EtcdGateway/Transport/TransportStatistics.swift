import Synchronization

/// The connections' numbers, written by libcurl's thread and read by any.
final class TransportStatistics: Sendable {
    private let numbers: Mutex<EtcdPoolStatistics>

    init(maxConnections: Int) {
        numbers = Mutex(
            EtcdPoolStatistics(
                maxConnections: maxConnections, active: 0, idle: 0, waitCount: 0))
    }

    var current: EtcdPoolStatistics { numbers.withLock { $0 } }

    func update(active: Int, idle: Int, waitCount: Int64) {
        numbers.withLock { numbers in
            numbers.active = active
            numbers.idle = idle
            numbers.waitCount = waitCount
        }
    }
}
