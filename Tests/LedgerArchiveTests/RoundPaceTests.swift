import LedgerCore
import Testing

@testable import LedgerArchive

@Suite("RoundPace")
struct RoundPaceTests {
    private func at(_ milliseconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test("a round's bundles begin evenly over a quarter of the interval, the first at once")
    func even() {
        var pace = RoundPace(bundles: 60, interval: .milliseconds(24_000), at: at(0))
        #expect(pace.step == .milliseconds(100))
        #expect(pace.pause(at: at(0)) == .zero)
        // What the bundle itself took counts.
        #expect(pace.pause(at: at(30)) == .milliseconds(70))
        #expect(pace.pause(at: at(100)) == .milliseconds(100))
    }

    @Test("a bundle that took long delays those after it, and is not followed by a burst")
    func late() {
        var pace = RoundPace(bundles: 60, interval: .milliseconds(24_000), at: at(0))
        _ = pace.pause(at: at(0))
        #expect(pace.pause(at: at(1_000)) == .zero)
        #expect(pace.pause(at: at(1_010)) == .milliseconds(90))
    }

    @Test("much that waits is written without pauses")
    func backlog() {
        var pace = RoundPace(bundles: 100_000, interval: .milliseconds(30_000), at: at(0))
        for now in Int64(0)..<5 { #expect(pace.pause(at: at(now)) == .zero) }
        var none = RoundPace(bundles: 0, interval: .milliseconds(30_000), at: at(0))
        #expect(none.pause(at: at(0)) == .zero)
    }
}
