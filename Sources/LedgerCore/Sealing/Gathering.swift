/// Decides whether the next batch waits for company. A batch waits only while that makes somebody faster.
///
/// There are two reasons to wait, and both are measured:
///
/// - **Callers that come again at once.** Who was just answered and goes on finds a transaction under way and waits for the
///   whole of it. Where many do so within half a commit, holding the batch for them saves them more than it costs
///   those who wait already.
/// - **Busy processors.** A transaction costs etcd some processor time whatever it holds. Commits that take longer than the
///   best one seen lately wait for processors, as long round trips wait in queues for TCP Vegas: until that work is
///   done the next transaction would only wait there instead, and a larger one spares the work of another.
///
/// Either ends when as many have come as usually come that soon after an answer. So a lone caller never waits: once
/// it is there nobody else is expected. Nor does anybody at an even pace that leaves the processors time: within half a
/// commit fewer come than have come during the commit before.
///
/// It holds no clock: everything is told it together with the moment at which it happened.
package struct Gathering: Sendable {
    /// Those who came soon after an answer: how many, and how long after it all together, in nanoseconds.
    private struct Soon: Sendable {
        var count = 0.0
        var delays = 0.0
    }

    /// The commit contract in nanoseconds.
    private let contract: Double
    /// Smoothed duration of a commit in nanoseconds.
    private var usualCommit = 0.0
    /// The same without what the events of a transaction add, and the shortest one lately.
    private var usualBase = 0.0
    private var bestBase = 0.0

    /// The last answers: how many and when, and who came since.
    private var answered = 0
    private var answeredAt: MonotonicInstant?
    private var arrivedSince = 0
    private var soonAgain = Soon()
    /// How long after the answers the processors stay busy, and until when an arrival counts as soon, in nanoseconds.
    private var busyFor = 0.0
    private var soon = 0.0

    /// Sums over all answers so far, the latest counting most.
    private var allAnswered = 0.0
    private var allSoonAgain = Soon()

    /// An event adds this part of what a transaction costs without any (measured on etcd 3.4: 25 us of 1.7 ms).
    private static let eventPart = 1.0 / 64
    /// The best commit grows by this part of the difference with every slower one, so that thousands of them make a new
    /// one: under a steady load there are few that show what the store can do.
    private static let forgetting = 0.0002
    /// Commits differ by so much without any load.
    private static let ordinary = 1.25
    /// A batch is held for so many times what commits take too long. What is too long shrinks while it is held, so this
    /// comes to rest where four fifths of it are gone.
    private static let patience = 4.0
    /// No batch is held for longer than this part of the contract.
    private static let longestPart = 0.125

    /// From so many events on, what a transaction costs without any is shared by enough of them (measured with 16 and 64
    /// callers and with streams: holding larger ones lost a tenth of the throughput).
    private static let largeBatch = 16

    package init(contract: Nanoseconds) {
        self.contract = Double(contract.count)
    }

    /// An event has come, whether it was admitted or refused: its caller is not to be waited for any more.
    package mutating func arrived(at now: MonotonicInstant) {
        arrivedSince += 1
        guard let answeredAt, soonAgain.count < Double(answered) else { return }
        let delay = Double((now - answeredAt).count)
        guard delay <= soon else { return }
        soonAgain.count += 1
        soonAgain.delays += delay
    }

    /// A transaction was applied, and the callers of its events are answered now.
    package mutating func committed(
        in duration: Nanoseconds, answering events: Int, at now: MonotonicInstant
    ) {
        allAnswered = 0.9 * allAnswered + Double(answered)
        allSoonAgain.count = 0.9 * allSoonAgain.count + soonAgain.count
        allSoonAgain.delays = 0.9 * allSoonAgain.delays + soonAgain.delays
        // One slow election must not count for more than the contract it broke.
        let sample = min(Double(duration.count), contract)
        let base = sample / (1 + Self.eventPart * Double(events))
        if answeredAt == nil { (usualCommit, usualBase, bestBase) = (sample, base, base) }
        usualCommit += 0.1 * (sample - usualCommit)
        usualBase += 0.1 * (base - usualBase)
        bestBase = min(base, bestBase + Self.forgetting * (base - bestBase))
        answered = events
        answeredAt = now
        arrivedSince = 0
        soonAgain = Soon()
        // Who just missed a batch waits for two and for what holds the second (protocol.md 14).
        let longest = max(0, min(Self.longestPart * contract, contract - 2 * usualCommit))
        let excess = max(0, usualBase - Self.ordinary * bestBase)
        busyFor = min(longest, usualCommit, Self.patience * excess)
        soon = min(longest, max(busyFor, usualCommit / 2))
    }

    /// Until when a batch with so many events is held, unless somebody else comes; nil where it goes now.
    package func holdUntil(_ now: MonotonicInstant, waiting: Int) -> MonotonicInstant? {
        guard let answeredAt, allAnswered > 0 else { return nil }
        // A batch that is large already is sealed while the others come: holding it would leave the store idle.
        guard waiting < Self.largeBatch else { return nil }
        let usual = Double(answered) * allSoonAgain.count / allAnswered
        let missing = usual - Double(arrivedSince)
        guard missing >= 0.5 else { return nil }
        let busyUntil = answeredAt + Nanoseconds(rounding: busyFor)
        if busyUntil > now { return busyUntil }
        // They come one after another, so the last of them in twice the mean.
        let lastDelay = 2 * allSoonAgain.delays / allSoonAgain.count
        let end = answeredAt + Nanoseconds(rounding: min(soon, lastDelay))
        let wait = Double((end - now).count)
        guard wait > 0, Double(waiting) * wait < missing * (usualCommit - wait) else { return nil }
        return end
    }
}
