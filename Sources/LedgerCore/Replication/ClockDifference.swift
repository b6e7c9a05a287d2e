/// How far another machine's monotonic clock is ahead of the own one, as its messages show it.
///
/// Each shows at least that much, less what it was on its way: so the largest difference seen is the truest, and never
/// too large. Only the last seconds count, for clocks drift, and a machine that stood still stays behind.
package struct ClockDifference: Sendable {
    /// Two of these are looked back on at most, and one at least.
    private static let window = Nanoseconds.milliseconds(10_000)

    private var current: Nanoseconds?
    private var previous: Nanoseconds?
    private var windowEnd = MonotonicInstant(nanoseconds: .min)

    package init() {}

    /// 0 while nothing is known.
    package var value: Nanoseconds {
        switch (current, previous) {
        case (let current?, let previous?): max(current, previous)
        case (let known?, nil), (nil, let known?): known
        case (nil, nil): .zero
        }
    }

    /// A message came, sent when the other clock showed `clock`.
    package mutating func note(_ clock: MonotonicInstant, at now: MonotonicInstant) {
        let ahead = clock - now
        if windowEnd <= now {
            // Where the window after it has passed as well, nothing of it counts any more.
            previous = windowEnd + Self.window > now ? current : nil
            current = nil
            windowEnd = now + Self.window
        }
        current = current.map { max($0, ahead) } ?? ahead
    }
}
