import LedgerCore
import Testing

@Suite("ClockGuard")
struct ClockGuardTests {
    /// Local times in milliseconds, moving together unless somebody sets the wall clock.
    private struct Clocks {
        var wall: Int64 = 1_700_000_000_500
        var boot: Int64 = 10_000

        mutating func pass(_ milliseconds: Int64) {
            wall += milliseconds
            boot += milliseconds
        }
    }

    private func record(
        _ guardian: inout ClockGuard, _ member: UInt64, _ clocks: Clocks, aheadBy skew: Int64 = 0,
        roundTrip: Int64 = 2
    ) {
        // What the member's Date says when this clock is ahead of it by `skew`.
        let date = (clocks.wall - skew) / 1000
        guardian.record(
            memberID: member, memberDateSeconds: date, wallMilliseconds: clocks.wall,
            bootMilliseconds: clocks.boot, roundTripMilliseconds: roundTrip)
    }

    private func verdict(
        _ guardian: ClockGuard, _ clocks: Clocks, members: Int = 3
    ) -> ClockGuard.Verdict {
        guardian.verdict(
            wallMilliseconds: clocks.wall, bootMilliseconds: clocks.boot, memberCount: members)
    }

    private func skew(_ verdict: ClockGuard.Verdict) -> Int64? {
        if case .skewed(let milliseconds) = verdict { return milliseconds }
        return nil
    }

    @Test("without a majority of members sampled nothing is known")
    func noMajority() {
        var guardian = ClockGuard(maxSkewMilliseconds: 5000)
        let clocks = Clocks()
        #expect(verdict(guardian, clocks) == .noMajority)
        record(&guardian, 1, clocks)
        record(&guardian, 1, clocks)
        #expect(verdict(guardian, clocks) == .noMajority)
        #expect(verdict(guardian, clocks, members: 1) == .agrees)
        record(&guardian, 2, clocks)
        #expect(verdict(guardian, clocks) == .agrees)
        #expect(verdict(guardian, clocks, members: 4) == .noMajority)
        #expect(verdict(guardian, clocks, members: 0) == .noMajority)
    }

    @Test("a clock ahead or behind by more than the bound is skewed, whole seconds allowed for")
    func skewed() {
        for skewBy: Int64 in [0, 4000, 5000, -4000, -5000] {
            var guardian = ClockGuard(maxSkewMilliseconds: 5000)
            let clocks = Clocks()
            for member: UInt64 in 1...3 { record(&guardian, member, clocks, aheadBy: skewBy) }
            #expect(verdict(guardian, clocks) == .agrees, "\(skewBy)")
        }
        for skewBy: Int64 in [7000, 86_400_000, -7000, -86_400_000] {
            var guardian = ClockGuard(maxSkewMilliseconds: 5000)
            let clocks = Clocks()
            for member: UInt64 in 1...3 { record(&guardian, member, clocks, aheadBy: skewBy) }
            let found = skew(verdict(guardian, clocks))
            #expect(found != nil)
            // The sample says so to within a second, and never exaggerates.
            #expect((found ?? 0).magnitude <= skewBy.magnitude)
            #expect((found ?? 0).magnitude >= skewBy.magnitude - 1002)
        }
    }

    @Test("one member of three that is years off does not matter")
    func median() {
        for liar: Int64 in [1_000_000_000_000, -1_000_000_000_000] {
            var guardian = ClockGuard(maxSkewMilliseconds: 5000)
            let clocks = Clocks()
            record(&guardian, 1, clocks, aheadBy: liar)
            record(&guardian, 2, clocks)
            record(&guardian, 3, clocks, aheadBy: 1000)
            #expect(verdict(guardian, clocks) == .agrees)
        }
    }

    @Test("of two members of three that disagree the worse one counts")
    func evenNumber() {
        for skewBy: Int64 in [60_000, -60_000] {
            var guardian = ClockGuard(maxSkewMilliseconds: 5000)
            let clocks = Clocks()
            record(&guardian, 1, clocks)
            record(&guardian, 2, clocks, aheadBy: skewBy)
            #expect(skew(verdict(guardian, clocks)) != nil)
        }
    }

    @Test("samples count for 60 seconds")
    func expiry() {
        var guardian = ClockGuard(maxSkewMilliseconds: 5000)
        var clocks = Clocks()
        for member: UInt64 in 1...3 { record(&guardian, member, clocks) }
        clocks.pass(60_000)
        #expect(verdict(guardian, clocks) == .agrees)
        clocks.pass(1)
        #expect(verdict(guardian, clocks) == .noMajority)
        record(&guardian, 1, clocks)
        #expect(verdict(guardian, clocks) == .noMajority)
        record(&guardian, 2, clocks)
        #expect(verdict(guardian, clocks) == .agrees)
    }

    @Test("a clock that is set after the samples is found out before the next batch")
    func step() {
        for step: Int64 in [3_600_000, -3_600_000, 1 << 60, -(1 << 60)] {
            var guardian = ClockGuard(maxSkewMilliseconds: 5000)
            var clocks = Clocks()
            for member: UInt64 in 1...3 { record(&guardian, member, clocks) }
            clocks.pass(1000)
            #expect(verdict(guardian, clocks) == .agrees)
            clocks.wall += step
            #expect(skew(verdict(guardian, clocks)) != nil)
        }
    }

    @Test("a clock that is put right agrees at once, by its new samples and by its old ones")
    func correction() {
        var guardian = ClockGuard(maxSkewMilliseconds: 5000)
        var clocks = Clocks()
        for member: UInt64 in 1...3 { record(&guardian, member, clocks, aheadBy: 60_000) }
        #expect(skew(verdict(guardian, clocks)) != nil)
        clocks.wall -= 60_000
        #expect(verdict(guardian, clocks) == .agrees)
    }

    @Test("an answer that was under way for longer than the bound tells nothing")
    func slowAnswers() {
        var guardian = ClockGuard(maxSkewMilliseconds: 5000)
        let clocks = Clocks()
        for member: UInt64 in 1...3 { record(&guardian, member, clocks, roundTrip: 5001) }
        for member: UInt64 in 1...3 { record(&guardian, member, clocks, roundTrip: -1) }
        #expect(verdict(guardian, clocks) == .noMajority)
        for member: UInt64 in 1...3 { record(&guardian, member, clocks, roundTrip: 5000) }
        #expect(verdict(guardian, clocks) == .agrees)
    }

    @Test("no value of a date or a clock traps")
    func extremes() {
        let values: [Int64] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]
        for date in values {
            for wall in values {
                for boot in values {
                    var guardian = ClockGuard(maxSkewMilliseconds: 5000)
                    guardian.record(
                        memberID: 1, memberDateSeconds: date, wallMilliseconds: wall,
                        bootMilliseconds: boot, roundTripMilliseconds: 1)
                    for now in values {
                        for later in values {
                            _ = guardian.verdict(
                                wallMilliseconds: now, bootMilliseconds: later, memberCount: 1)
                        }
                    }
                }
            }
        }
    }
}
