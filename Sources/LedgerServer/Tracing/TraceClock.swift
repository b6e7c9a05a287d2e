import LedgerCore
import NIOCore
import Synchronization
import Tracing

/// A moment as spans name it.
struct TraceInstant: TracerInstant {
    let nanosecondsSinceEpoch: UInt64

    static func < (one: Self, other: Self) -> Bool {
        one.nanosecondsSinceEpoch < other.nanosecondsSinceEpoch
    }

    func earlier(by age: Nanoseconds) -> Self {
        let (time, overflow) = nanosecondsSinceEpoch.subtractingReportingOverflow(
            UInt64(clamping: age.count))
        return Self(nanosecondsSinceEpoch: overflow ? 0 : time)
    }
}

/// Dates spans: the monotonic clock, from where the wall clock was. So what happened later has the later time, and spans
/// have their true length, also while somebody sets the wall clock.
final class TraceClock: Sendable {
    /// What the wall clock may be off before it is followed.
    private static let tolerance: Int64 = 1_000_000

    /// How far the wall clock is ahead, in nanoseconds.
    private let ahead: Atomic<Int64>

    init() {
        ahead = Atomic(Self.difference)
    }

    var now: TraceInstant {
        let time = Self.monotonic &+ ahead.load(ordering: .relaxed)
        return TraceInstant(nanosecondsSinceEpoch: UInt64(max(0, time)))
    }

    /// - Parameter arrival: a moment of `LoopClock`.
    func instant(of arrival: UInt64) -> TraceInstant {
        let time = Int64(clamping: arrival) &+ ahead.load(ordering: .relaxed)
        return TraceInstant(nanosecondsSinceEpoch: UInt64(max(0, time)))
    }

    /// Follows the wall clock, where it was set.
    func adjust() {
        let difference = Self.difference
        if abs(difference - ahead.load(ordering: .relaxed)) > Self.tolerance {
            ahead.store(difference, ordering: .relaxed)
        }
    }

    private static var monotonic: Int64 { Int64(clamping: NIODeadline.now().uptimeNanoseconds) }

    private static var difference: Int64 {
        Int64(clamping: DefaultTracerClock.now.nanosecondsSinceEpoch) - monotonic
    }
}
