import LedgerCore

/// Spreads what a round writes over a part of the interval; pure.
///
/// Bundles that are read and written one right after another keep the processors, etcd and perhaps the very disk busy
/// that sealing waits for: a short burst in every round, which is what the slowest events would wait for. Where so much
/// waits that there is no time for pauses, there are none.
struct RoundPace: Sendable {
    /// Of the interval. With a round begun at the latest half an interval after an event was sealed, a quarter is left
    /// for what this does not count.
    static let part: Int64 = 4
    /// A shorter pause gives nobody room.
    static let shortestPause = Nanoseconds.milliseconds(1)

    /// Between the beginnings of two bundles.
    let step: Nanoseconds
    private var next: MonotonicInstant

    /// - Parameters:
    ///   - bundles: how many the round writes.
    ///   - interval: `LEDGER_ARCHIVE_INTERVAL`.
    init(bundles: Int, interval: Nanoseconds, at now: MonotonicInstant) {
        let step = interval / Self.part / Int64(max(1, bundles))
        self.step = step < Self.shortestPause ? .zero : step
        next = now
    }

    /// How long the next bundle waits; it is taken to begin then.
    mutating func pause(at now: MonotonicInstant) -> Nanoseconds {
        let pause = max(.zero, next - now)
        // Time that was lost is not caught up with: that would be a burst again.
        next = now + pause + step
        return pause
    }
}
