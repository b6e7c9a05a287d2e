/// A point on the monotonic clock, in nanoseconds since an arbitrary origin.
///
/// Deadlines use this clock alone: a wall clock that is set back or forward must not move them.
package struct MonotonicInstant: Hashable, Comparable, Sendable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    package static func + (left: Self, right: Nanoseconds) -> Self {
        Self(nanoseconds: left.nanoseconds &+ right.count)
    }

    package static func - (left: Self, right: Nanoseconds) -> Self {
        Self(nanoseconds: left.nanoseconds &- right.count)
    }

    package static func - (left: Self, right: Self) -> Nanoseconds {
        Nanoseconds(left.nanoseconds &- right.nanoseconds)
    }
}

/// A length of time in whole nanoseconds: `Duration` without its 128-bit arithmetic, for the sealing loop.
package struct Nanoseconds: Hashable, Comparable, Sendable {
    package var count: Int64

    package init(_ count: Int64) {
        self.count = count
    }

    package static func milliseconds(_ count: Int64) -> Self {
        Self(count * 1_000_000)
    }

    package static let zero = Self(0)

    /// The length in milliseconds, rounded up: what callers see as `commit_latency_ms`.
    package var millisecondsRoundedUp: Int64 {
        count <= 0 ? 0 : (count + 999_999) / 1_000_000
    }

    /// The length in seconds, for metrics.
    package var seconds: Double {
        Double(count) / 1e9
    }

    package static func < (left: Self, right: Self) -> Bool { left.count < right.count }
    package static func + (left: Self, right: Self) -> Self { Self(left.count + right.count) }
    package static func - (left: Self, right: Self) -> Self { Self(left.count - right.count) }
    package static func * (left: Self, right: Int64) -> Self { Self(left.count * right) }
    package static func / (left: Self, right: Int64) -> Self { Self(left.count / right) }
}

/// What the wall clock says, and whether it may be believed (PROTOCOL.md 22).
package enum WallClockReading: Hashable, Sendable {
    /// Epoch milliseconds that agree with most of etcd's members.
    case trusted(milliseconds: Int64)
    /// The clock disagrees with most members, or no majority of them was asked lately.
    case untrusted
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
