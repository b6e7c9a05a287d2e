import Foundation
package import LedgerCore
import LedgerReplica
package import LedgerStore
import Synchronization

/// The clocks of this machine as the sealing state machine wants them.
package final class SystemClock: ReplicaClock {
    /// The verdict that was reached last, and where the wall clock stood then against the other one.
    private struct Judgement {
        var verdict: ClockGuard.Verdict
        var at: MonotonicInstant
        var wallAhead: Int64
    }

    private struct State {
        var guarding: ClockGuard
        var judgement: Judgement?
    }

    /// A verdict counts this long, unless a sample comes or the wall clock is set by more than `noticedStep`: it is
    /// asked for with every submission.
    private static let judgementLifetime = Nanoseconds.milliseconds(1_000)
    private static let noticedStep: Int64 = 20

    private let origin = ContinuousClock.now
    private let state: Mutex<State>
    private let members: EtcdMembers

    /// - Parameters:
    ///   - maxSkewMilliseconds: `LEDGER_MAX_CLOCK_SKEW_MS`.
    ///   - members: etcd's; a majority of them must agree with the wall clock.
    package init(maxSkewMilliseconds: Int64, members: EtcdMembers) {
        state = Mutex(State(guarding: ClockGuard(maxSkewMilliseconds: maxSkewMilliseconds)))
        self.members = members
    }

    /// Time since this clock was made; it goes on while the machine sleeps and is never set.
    package var now: MonotonicInstant {
        MonotonicInstant(nanoseconds: origin.duration(to: .now).nanoseconds)
    }

    package func sleep(for length: Nanoseconds) async throws {
        try await Task.sleep(for: length.duration)
    }

    /// Epoch milliseconds.
    package var wallMilliseconds: Int64 {
        Int64((Date().timeIntervalSince1970 * 1_000).rounded(.down))
    }

    /// Now, with the wall clock's reading if it agrees with most of etcd's members (protocol.md 22).
    package var moment: Moment {
        let wall = wallMilliseconds
        let now = self.now
        let verdict = state.withLock { judge(&$0, wall: wall, at: now) }
        let reading: WallClockReading =
            switch verdict {
            case .agrees: .trusted(milliseconds: wall)
            case .skewed: .untrusted
            case .noMajority: .unsampled
            }
        return Moment(now: now, wall: reading)
    }

    private func judge(
        _ state: inout State, wall: Int64, at now: MonotonicInstant
    ) -> ClockGuard.Verdict {
        let boot = now.nanoseconds / 1_000_000
        if let last = state.judgement, now - last.at < Self.judgementLifetime,
            abs(wall - boot - last.wallAhead) < Self.noticedStep
        {
            return last.verdict
        }
        let verdict = state.guarding.verdict(
            wallMilliseconds: wall, bootMilliseconds: boot, memberCount: members.count)
        state.judgement = Judgement(verdict: verdict, at: now, wallAhead: wall - boot)
        return verdict
    }

    package func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {
        guard let date = member.dateSeconds else { return }
        record(memberID: member.id, dateSeconds: date, roundTrip: roundTrip.duration)
    }

    /// Takes a member's clock into account.
    package func record(memberID: UInt64, dateSeconds: Int64, roundTrip: Duration) {
        let wall = wallMilliseconds
        let boot = now.nanoseconds / 1_000_000
        state.withLock {
            $0.guarding.record(
                memberID: memberID, memberDateSeconds: dateSeconds, wallMilliseconds: wall,
                bootMilliseconds: boot, roundTripMilliseconds: roundTrip.nanoseconds / 1_000_000)
            $0.judgement = nil
        }
    }
}
