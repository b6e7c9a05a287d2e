import Synchronization

/// The replicas that callers know of, in turn, as a load balancer gives them out.
package final class ReplicaRota: Sendable {
    /// One replica, as a caller sees it.
    package struct Entry: Sendable {
        package let number: Int
        package let calls: LedgerCalls
    }

    private struct State {
        var entries: [Entry] = []
        var avoidedUntil: [Int: ContinuousClock.Instant] = [:]
        var turn = 0
    }

    /// How long nobody asks a replica that did not answer, unless there is no other.
    private static let avoidance = Duration.milliseconds(500)

    private let state = Mutex(State())

    package init() {}

    package var count: Int { state.withLock { $0.entries.count } }

    func add(_ entry: Entry) {
        state.withLock { $0.entries.append(entry) }
    }

    func remove(_ number: Int) {
        state.withLock { $0.entries.removeAll { $0.number == number } }
    }

    /// The next replica that has answered lately; any one where none has.
    func next() -> Entry? {
        let now = ContinuousClock.now
        return state.withLock { state in
            let good = state.entries.filter { (state.avoidedUntil[$0.number] ?? now) <= now }
            let candidates = good.isEmpty ? state.entries : good
            guard !candidates.isEmpty else { return nil }
            state.turn += 1
            return candidates[state.turn % candidates.count]
        }
    }

    /// A replica refused, or did not answer.
    func avoid(_ number: Int) {
        state.withLock { $0.avoidedUntil[number] = .now + Self.avoidance }
    }
}
