import LedgerCore

/// Lets a bounded number of look-ups run at a time, the others in order: thousands of events whose fate is open, or that
/// were sealed before, must not become thousands of reads at once (PROTOCOL.md 16).
struct LookUpTurns {
    private let maxRunning: Int
    private(set) var running = 0
    private var waiting: [ReplicaAction] = []
    private var nextInOrder = 0

    init(maxRunning: Int) {
        self.maxRunning = maxRunning
    }

    var waitingCount: Int { waiting.count - nextInOrder }

    /// Whether an action may be performed now; if not, it waits for its turn.
    mutating func mayStart(_ action: ReplicaAction) -> Bool {
        guard running < maxRunning else {
            waiting.append(action)
            return false
        }
        running += 1
        return true
    }

    /// One has ended: the next one whose result is still wanted, if there is one.
    mutating func next(where isWanted: (ReplicaAction) -> Bool) -> ReplicaAction? {
        while nextInOrder < waiting.count {
            let action = waiting[nextInOrder]
            nextInOrder += 1
            if nextInOrder == waiting.count || nextInOrder > 1_024 {
                waiting.removeFirst(nextInOrder)
                nextInOrder = 0
            }
            if isWanted(action) { return action }
        }
        running -= 1
        return nil
    }
}
