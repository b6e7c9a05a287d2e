/// A point on the monotonic clock, in nanoseconds since an arbitrary origin.
///
/// Deadlines use this clock alone: a wall clock that is set back or forward must not move them. Arithmetic saturates: a
/// deadline in 292 years or more is the latest one there is, never one that has passed.
package struct MonotonicInstant: Hashable, Comparable, Sendable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    package static func + (left: Self, right: Nanoseconds) -> Self {
        Self(nanoseconds: left.nanoseconds.addingSaturating(right.count))
    }

    package static func - (left: Self, right: Nanoseconds) -> Self {
        Self(nanoseconds: left.nanoseconds.subtractingSaturating(right.count))
    }

    package static func - (left: Self, right: Self) -> Nanoseconds {
        Nanoseconds(left.nanoseconds.subtractingSaturating(right.nanoseconds))
    }
}

/// A length of time in whole nanoseconds: `Duration` without its 128-bit arithmetic, for the sealing loop.
///
/// Arithmetic saturates, at about 292 years.
package struct Nanoseconds: Hashable, Comparable, Sendable {
    package var count: Int64

    package init(_ count: Int64) {
        self.count = count
    }

    /// A length that was reckoned with, in nanoseconds; no number is none.
    package init(rounding count: Double) {
        self.count = count.isNaN ? 0 : Int64(exactly: count.rounded()) ?? (count < 0 ? .min : .max)
    }

    package static func milliseconds(_ count: Int64) -> Self {
        Self(count) * 1_000_000
    }

    package static let zero = Self(0)

    /// The length in milliseconds, rounded up: what callers see as `commit_latency_ms`.
    package var millisecondsRoundedUp: Int64 {
        guard count > 0 else { return 0 }
        let (whole, rest) = count.quotientAndRemainder(dividingBy: 1_000_000)
        return rest == 0 ? whole : whole + 1
    }

    /// The length in seconds, for metrics.
    package var seconds: Double {
        Double(count) / 1e9
    }

    package static func < (left: Self, right: Self) -> Bool { left.count < right.count }

    package static func + (left: Self, right: Self) -> Self {
        Self(left.count.addingSaturating(right.count))
    }

    package static func - (left: Self, right: Self) -> Self {
        Self(left.count.subtractingSaturating(right.count))
    }

    package static func * (left: Self, right: Int64) -> Self {
        Self(left.count.multipliedSaturating(by: right))
    }

    /// - Parameter right: anything but 0.
    package static func / (left: Self, right: Int64) -> Self {
        let (quotient, overflow) = left.count.dividedReportingOverflow(by: right)
        precondition(right != 0, "a length divided by zero")
        return Self(overflow ? .max : quotient)
    }
}

extension Int64 {
    /// The sum, or the bound that it lies beyond.
    package func addingSaturating(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    /// The difference, or the bound that it lies beyond.
    package func subtractingSaturating(_ other: Self) -> Self {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : difference
    }

    /// The product, or the bound that it lies beyond.
    package func multipliedSaturating(by other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
    }
}

/// What the wall clock says, and whether it may be believed (protocol.md 22).
package enum WallClockReading: Hashable, Sendable {
    /// Epoch milliseconds that agree with most of etcd's members.
    case trusted(milliseconds: Int64)
    /// The clock disagrees with most members.
    case untrusted
    /// No majority of the members was asked lately, so nothing can be said of it.
    case unsampled

    /// Whether events may be dated with it.
    package var isTrusted: Bool {
        if case .trusted = self { true } else { false }
    }
}

/// The time at which something happened, as the state machine is told it.
package struct Moment: Hashable, Sendable {
    package var now: MonotonicInstant
    package var wall: WallClockReading

    package init(now: MonotonicInstant, wall: WallClockReading) {
        self.now = now
        self.wall = wall
    }
}

extension Duration {
    /// Whole nanoseconds; lengths beyond 292 years are cut.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        return whole.addingSaturating(attoseconds / 1_000_000_000)
    }
}

extension Nanoseconds {
    package init(_ duration: Duration) {
        self.init(duration.nanoseconds)
    }

    package var duration: Duration { .nanoseconds(count) }
}
