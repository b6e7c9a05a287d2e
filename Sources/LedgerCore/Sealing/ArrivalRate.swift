/// How many events come in a second, measured from batch to batch, refused ones included.
struct ArrivalRate: Sendable {
    /// Events a second, smoothed.
    private(set) var perSecond = 0.0
    private var count = 0
    private var countedSince: MonotonicInstant?
    private(set) var lastArrival: MonotonicInstant?

    /// So many usual gaps without an arrival, and the load has paused.
    private static let pauseInGaps = 4.0
    private static let shortestPause = Nanoseconds(500_000)

    mutating func arrived(at now: MonotonicInstant) {
        count += 1
        lastArrival = now
    }

    /// A batch is planned: what came since the one before is measured.
    mutating func batchPlanned(at now: MonotonicInstant) {
        if let countedSince, now > countedSince {
            let sample = Double(count) / (now - countedSince).seconds
            perSecond += 0.3 * (sample - perSecond)
        }
        countedSince = now
        count = 0
    }

    /// When the load counts as paused, should nothing more arrive: callers that wait for their answers before they go on
    /// have all come by then.
    var pauseAt: MonotonicInstant? {
        guard perSecond > 0, let lastArrival else { return nil }
        let pause = Nanoseconds(rounding: Self.pauseInGaps / perSecond * 1e9)
        return lastArrival + max(Self.shortestPause, pause)
    }
}
