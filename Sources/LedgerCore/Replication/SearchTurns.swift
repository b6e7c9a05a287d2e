/// Lets a bounded number of searches run at a time, the others in order: thousands of events whose fate is open, or that
/// were sealed before, must not become thousands of reads at once (protocol.md 16).
struct SearchTurns: Sendable {
    private let maxRunning: Int
    private(set) var running = 0
    private var waiting = WaitingLine<SubmissionToken>()

    init(maxRunning: Int) {
        self.maxRunning = maxRunning
    }

    var waitingCount: Int { waiting.count }

    mutating func add(_ token: SubmissionToken) { waiting.append(token) }

    /// One has ended.
    mutating func ended() { running -= 1 }

    /// Takes out the next one that may begin and is still wanted.
    mutating func next(where isWanted: (SubmissionToken) -> Bool) -> SubmissionToken? {
        while running < maxRunning, let token = waiting.takeFirst() {
            guard isWanted(token) else { continue }
            running += 1
            return token
        }
        return nil
    }
}
