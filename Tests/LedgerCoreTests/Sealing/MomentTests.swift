import Testing

@testable import LedgerCore

@Suite("Times")
struct MomentTests {
    private let latest = MonotonicInstant(nanoseconds: .max)
    private let earliest = MonotonicInstant(nanoseconds: .min)

    @Test("a deadline farther away than the clock reaches is the latest there is, not a past one")
    func farDeadlines() {
        let now = MonotonicInstant(nanoseconds: 5_000_000_000)
        #expect(now + Nanoseconds(.max) == latest)
        #expect(now + Nanoseconds(.max) - .milliseconds(5) > now)
        #expect(now - Nanoseconds(.min) == latest)
        #expect(MonotonicInstant(nanoseconds: -5) + Nanoseconds(.min) == earliest)
        #expect(MonotonicInstant(nanoseconds: -5) - Nanoseconds(.max) == earliest)
        #expect(latest - earliest == Nanoseconds(.max))
        #expect(earliest - latest == Nanoseconds(.min))
    }

    @Test("lengths of time saturate, whatever they are computed with")
    func lengths() {
        #expect(Nanoseconds(.max) + Nanoseconds(1) == Nanoseconds(.max))
        #expect(Nanoseconds(.min) - Nanoseconds(1) == Nanoseconds(.min))
        #expect(Nanoseconds.milliseconds(.max) == Nanoseconds(.max))
        #expect(Nanoseconds.milliseconds(.min) == Nanoseconds(.min))
        #expect(Nanoseconds(.max) * -2 == Nanoseconds(.min))
        #expect(Nanoseconds(.min) / -1 == Nanoseconds(.max))
        #expect(Nanoseconds(.max).millisecondsRoundedUp == Int64.max / 1_000_000 + 1)
        #expect(Nanoseconds(1_000_000).millisecondsRoundedUp == 1)
        #expect(Nanoseconds(rounding: .infinity) == Nanoseconds(.max))
        #expect(Nanoseconds(rounding: -1e300) == Nanoseconds(.min))
        #expect(Nanoseconds(rounding: .nan) == .zero)
    }

    /// What grpc-go sends for its longest duration was rejected at once: the sum had wrapped.
    @Test("an event whose caller waits for ever is sealed like any other")
    func endlessCaller() throws {
        let bench = ReplicaBench.alone()
        let submission = bench.submission("patient", deadlineIn: .max)
        #expect(submission.commitBy == bench.now + .milliseconds(50))
        #expect(bench.send(.submitted(submission)).plan != nil)
    }
}
