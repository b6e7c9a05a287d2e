import LedgerCore

/// Who waits for the head to reach a number.
struct HeadWaiters {
    private var waiters: [UInt64: (number: SequenceNumber, CheckedContinuation<Void, Never>)] = [:]
    private var next: UInt64 = 0
    private var earliest: SequenceNumber?

    mutating func makeKey() -> UInt64 {
        next += 1
        return next
    }

    mutating func add(
        _ key: UInt64, _ number: SequenceNumber, _ continuation: CheckedContinuation<Void, Never>
    ) {
        waiters[key] = (number, continuation)
        earliest = earliest.map { min($0, number) } ?? number
    }

    mutating func remove(_ key: UInt64) -> CheckedContinuation<Void, Never>? {
        waiters.removeValue(forKey: key)?.1
    }

    /// Takes out everybody whose number the head has reached.
    mutating func resumeAll(upTo head: SequenceNumber?) -> [CheckedContinuation<Void, Never>] {
        guard let head, let earliest, earliest <= head else { return [] }
        let reached = waiters.filter { $0.value.number <= head }
        for key in reached.keys { waiters[key] = nil }
        self.earliest = waiters.values.map(\.number).min()
        return reached.sorted { $0.key < $1.key }.map(\.value.1)
    }
}
