import Testing

@testable import LedgerCore

@Suite("The difference of two clocks")
struct ClockDifferenceTests {
    private func instant(_ milliseconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test("the largest difference seen counts: what a message was on its way only makes it smaller")
    func largest() {
        var difference = ClockDifference()
        #expect(difference.value == .zero)
        difference.note(instant(1_070), at: instant(100))
        #expect(difference.value == .milliseconds(970))
        difference.note(instant(1_199), at: instant(200))
        difference.note(instant(1_250), at: instant(300))
        #expect(difference.value == .milliseconds(999))
    }

    @Test("a clock that lags behind everything may be behind: then the difference is negative")
    func behind() {
        var difference = ClockDifference()
        difference.note(instant(100), at: instant(5_000))
        #expect(difference.value == .milliseconds(-4_900))
    }

    @Test("a machine that stood still is seen as behind after twenty seconds at most")
    func standstill() {
        var difference = ClockDifference()
        for second in Int64(0)..<10 {
            difference.note(instant(second * 1_000 + 500), at: instant(second * 1_000))
        }
        for second in Int64(10)..<20 {
            difference.note(instant(second * 1_000 - 2_500), at: instant(second * 1_000))
            #expect(difference.value == .milliseconds(500))
        }
        difference.note(instant(17_500), at: instant(20_000))
        #expect(difference.value == .milliseconds(-2_500))
    }

    @Test("what was seen before a long silence does not count")
    func silence() {
        var difference = ClockDifference()
        difference.note(instant(900), at: instant(100))
        difference.note(instant(60_400), at: instant(60_000))
        #expect(difference.value == .milliseconds(400))
    }
}
