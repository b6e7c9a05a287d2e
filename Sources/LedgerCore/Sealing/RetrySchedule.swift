/// Tells those who are turned away for want of time when to come back.
///
/// Told the same, all of them would come at the same moment, and most would be turned away again. So each is told a
/// time of its own, behind those who were told one before it, at the pace at which events are sealed.
struct RetrySchedule: Sendable {
    /// Nobody is told to come later than this: what is known of the pace does not last longer.
    static let longestDelay = Nanoseconds.milliseconds(5_000)
    /// Nobody is told to come sooner.
    static let shortestDelay = Nanoseconds.milliseconds(5)

    /// When the next one is to come at the earliest.
    private var next: MonotonicInstant?

    /// The delay of one more.
    ///
    /// - Parameters:
    ///   - wait: how long an event that came now would wait for its commit.
    ///   - interval: the time that one event takes of what can be sealed.
    mutating func delay(
        wait: Nanoseconds, interval: Nanoseconds, at now: MonotonicInstant
    ) -> Nanoseconds {
        let earliest = now + max(wait, Self.shortestDelay)
        let time = min(max(earliest, next ?? earliest), now + Self.longestDelay)
        next = time + interval
        return time - now
    }
}
