package import LedgerCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The clocks of this machine as the sealing state machine wants them.
package final class SystemClock: Sendable {
    private let origin = ContinuousClock.now
    private let guarding: Mutex<ClockGuard>
    private let memberCount: Int

    /// - Parameters:
    ///   - maxSkewMilliseconds: `LEDGER_MAX_CLOCK_SKEW_MS`.
    ///   - memberCount: how many members etcd has; a majority of them must agree with the wall clock.
    package init(maxSkewMilliseconds: Int64, memberCount: Int) {
        guarding = Mutex(ClockGuard(maxSkewMilliseconds: maxSkewMilliseconds))
        self.memberCount = memberCount
    }

    /// Time since this clock was made; it goes on while the machine sleeps and is never set.
    package var now: MonotonicInstant {
        MonotonicInstant(nanoseconds: origin.duration(to: .now).nanoseconds)
    }

    /// The same moment on the clock that etcd's client uses.
    package func instant(_ instant: MonotonicInstant) -> ContinuousClock.Instant {
        origin.advanced(by: .nanoseconds(instant.nanoseconds))
    }

    /// Epoch milliseconds.
    package var wallMilliseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Whether the wall clock agrees with most of etcd's members now (PROTOCOL.md 22).
    package var verdict: ClockGuard.Verdict {
        let wall = wallMilliseconds
        let boot = now.nanoseconds / 1_000_000
        return guarding.withLock {
            $0.verdict(wallMilliseconds: wall, bootMilliseconds: boot, memberCount: memberCount)
        }
    }

    /// Now, with the wall clock's reading if it may be believed.
    package var moment: Moment {
        let wall = wallMilliseconds
        let now = self.now
        let verdict = guarding.withLock {
            $0.verdict(
                wallMilliseconds: wall, bootMilliseconds: now.nanoseconds / 1_000_000,
                memberCount: memberCount)
        }
        return Moment(
            now: now, wall: verdict == .agrees ? .trusted(milliseconds: wall) : .untrusted)
    }

    /// Takes a member's clock into account.
    package func record(memberID: UInt64, dateSeconds: Int64, roundTrip: Duration) {
        let wall = wallMilliseconds
        let boot = now.nanoseconds / 1_000_000
        guarding.withLock {
            $0.record(
                memberID: memberID, memberDateSeconds: dateSeconds, wallMilliseconds: wall,
                bootMilliseconds: boot, roundTripMilliseconds: roundTrip.nanoseconds / 1_000_000)
        }
    }
}

extension Duration {
    /// Whole nanoseconds; lengths beyond 292 years are cut.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : whole &+ attoseconds / 1_000_000_000
    }
}

extension Nanoseconds {
    package init(_ duration: Duration) {
        self.init(duration.nanoseconds)
    }

    package var duration: Duration { .nanoseconds(count) }
}
