/// Requests that wait, in order, until libcurl may have one more: a pool that is full.
struct TransferQueue {
    private var waiting: [TransferRequest] = []
    private let limit: Int

    /// - Parameter limit: how many may wait.
    init(limit: Int) {
        self.limit = limit
    }

    var count: Int { waiting.count }

    var isFull: Bool { waiting.count >= limit }

    /// When the first of them gives up waiting; nil where none waits.
    var earliestDeadline: ContinuousClock.Instant? { waiting.map(\.connectDeadline).min() }

    mutating func append(_ request: TransferRequest) {
        precondition(!isFull, "whoever appends looks first whether there is room")
        waiting.append(request)
    }

    /// The one that has waited longest.
    mutating func next() -> TransferRequest? {
        waiting.isEmpty ? nil : waiting.removeFirst()
    }

    mutating func remove(_ id: UInt64) -> TransferRequest? {
        guard let place = waiting.firstIndex(where: { $0.id == id }) else { return nil }
        return waiting.remove(at: place)
    }

    /// Those whose time for waiting is over.
    mutating func takeOverdue(at now: ContinuousClock.Instant) -> [TransferRequest] {
        guard let earliest = earliestDeadline, earliest <= now else { return [] }
        let overdue = waiting.filter { $0.connectDeadline <= now }
        waiting.removeAll { $0.connectDeadline <= now }
        return overdue
    }

    mutating func takeAll() -> [TransferRequest] {
        defer { waiting = [] }
        return waiting
    }
}
