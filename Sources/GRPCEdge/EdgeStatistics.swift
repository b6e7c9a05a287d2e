import Synchronization

/// What a port holds and what it has refused, for metrics; read from anywhere.
package final class EdgeStatistics: Sendable {
    private let openConnections = Atomic<Int>(0)
    private let openCalls = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)
    private let rejectedConnections = Atomic<Int>(0)
    private let refusals = Mutex([Int](repeating: 0, count: Refusal.allCases.count))

    package init() {}

    /// Connections that are open.
    package var connections: Int { openConnections.load(ordering: .relaxed) }
    /// Calls that are open.
    package var calls: Int { openCalls.load(ordering: .relaxed) }
    /// Bytes of requests that are held.
    package var heldBytes: Int { bytes.load(ordering: .relaxed) }
    /// Connections that were closed because there were too many, since the start.
    package var connectionsRejected: Int { rejectedConnections.load(ordering: .relaxed) }

    /// How often something was refused for this, since the start.
    package func refused(_ refusal: Refusal) -> Int {
        refusals.withLock { $0[Int(refusal.rawValue)] }
    }

    func count(_ refusal: Refusal) {
        refusals.withLock { $0[Int(refusal.rawValue)] += 1 }
    }

    func countRejectedConnection() {
        rejectedConnections.add(1, ordering: .relaxed)
    }

    func set(connections: Int) { openConnections.store(connections, ordering: .relaxed) }
    func set(calls: Int) { openCalls.store(calls, ordering: .relaxed) }
    func set(heldBytes: Int) { bytes.store(heldBytes, ordering: .relaxed) }
}
