/// Bounds a batch by measured time, and predicts whether a new event can still make its deadline.
///
/// Who just missed a batch waits for two: the rest of the one that is under way, and the own one. So twice the
/// slow end of a batch must fit the contract (protocol.md 14). The share of the largest batch that is used
/// grows by steps while full batches are fast, and shrinks by a factor when a large batch was slow.
package struct BatchLimiter: Sendable {
    private let settings: SealingSettings
    /// The share of the largest batch that is used now, 1/64...1.
    private(set) var share = 0.25
    /// Smoothed duration of a commit and its mean deviation, in nanoseconds.
    private var mean: Double
    private var deviation: Double
    private var lastMeasuredAt: MonotonicInstant?

    private static let smallestShare = 1.0 / 64
    /// A full batch that took less than this part of the contract lets batches grow.
    private static let fastPart = 0.28
    /// A large batch that took more than this part of the contract makes them shrink.
    private static let slowPart = 0.45

    package init(settings: SealingSettings) {
        self.settings = settings
        mean = Double(settings.commitDeadline.count) / 10
        deviation = 0
    }

    /// The most events of the next batch.
    package var maxEvents: Int {
        max(1, min(settings.maxBatchEvents, Int(share * Double(settings.maxBatchEvents))))
    }

    /// The most bytes of entries of the next batch; room for one largest entry at least.
    package var maxBytes: Int {
        max(EventLimits.maxEntryBytes, Int(share * Double(settings.maxBatchBytes)))
    }

    /// How long a commit is expected to take, leaning to the slow side.
    ///
    /// The estimate halves with every half second in which nothing was measured: after an election the last
    /// measurement exceeds the contract, and an estimate that did not decay would reject everything for
    /// ever (protocol.md 13).
    package func expectedCommit(at now: MonotonicInstant) -> Nanoseconds {
        var estimate = mean + deviation
        if let lastMeasuredAt {
            let idle = (now - lastMeasuredAt).seconds
            if idle > 0.1 { estimate /= Double(1 << min(20, Int(idle / 0.5))) }
        }
        return Nanoseconds(rounding: estimate)
    }

    /// How long an event waits from now until its commit, behind `waiting` others.
    package func expectedWait(
        at now: MonotonicInstant, waiting: Int, waitingBytes: Int, underWaySince: MonotonicInstant?
    ) -> Nanoseconds {
        let commit = expectedCommit(at: now)
        let batches = 1 + max(waiting / maxEvents, waitingBytes / maxBytes)
        var wait = commit * Int64(batches)
        if let underWaySince {
            let rest = commit - (now - underWaySince)
            wait = wait + max(.zero, rest)
        }
        return wait
    }

    /// Takes the measured duration of one commit into account.
    package mutating func record(
        _ duration: Nanoseconds, events: Int, bytes: Int, at now: MonotonicInstant
    ) {
        // One slow election must not count for more than the contract it broke.
        let sample = Double(min(duration, settings.commitDeadline).count)
        deviation += 0.15 * (abs(sample - mean) - deviation)
        mean += 0.15 * (sample - mean)
        lastMeasuredAt = now
        let contract = Double(settings.commitDeadline.count)
        let isLarge = events * 2 >= maxEvents || bytes * 2 >= maxBytes
        let isFull = events * 10 >= maxEvents * 9 || bytes * 10 >= maxBytes * 9
        if isLarge, Double(duration.count) > Self.slowPart * contract {
            share = max(Self.smallestShare, share * 0.8)
        } else if isFull, Double(duration.count) < Self.fastPart * contract {
            share = min(1, share * 1.1 + 0.002)
        }
    }
}
