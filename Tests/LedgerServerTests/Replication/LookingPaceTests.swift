import LedgerCore
import Testing

@testable import LedgerReplica

@Suite("LookingPace")
struct LookingPaceTests {
    /// Looks at a ledger in which so many events are sealed a second, each look when it is due.
    private func interval(atRate rate: Double, seconds: Double = 5) -> Nanoseconds {
        var pace = LookingPace()
        var now = MonotonicInstant(nanoseconds: 0)
        pace.saw(0, at: now)
        while Double(now.nanoseconds) < seconds * 1e9 {
            let pause = pace.interval
            now = now + pause
            pace.saw(UInt64(rate * Double(pause.count) / 1e9), at: now)
        }
        return pace.interval
    }

    @Test("where little is sealed it looks once a second")
    func little() {
        #expect(interval(atRate: 0) == LookingPace.longest)
        #expect(interval(atRate: 200) == LookingPace.longest)
    }

    @Test("what is new is read in portions")
    func portions() {
        for rate in [600.0, 1_000, 2_000] {
            let events = rate * Double(interval(atRate: rate).count) / 1e9
            #expect((200.0...320).contains(events), "\(rate): \(events)")
        }
        #expect(interval(atRate: 4_000) == LookingPace.shortest)
    }

    @Test("where ids segments and tiles are read instead of blocks it waits for them")
    func reloading() {
        #expect(interval(atRate: 10_000) == LookingPace.longest)
    }

    @Test("looks that are asked for in between change nothing")
    func asked() {
        var pace = LookingPace()
        var now = MonotonicInstant(nanoseconds: 0)
        pace.saw(0, at: now)
        for look in 0..<20_000 {
            now = now + .milliseconds(1)
            pace.saw(look.isMultiple(of: 10) ? 20 : 0, at: now)
        }
        let events = 2_000 * Double(pace.interval.count) / 1e9
        #expect((150.0...400).contains(events))
    }

    @Test("when nothing is sealed any more, it rests")
    func rests() {
        var pace = LookingPace()
        var now = MonotonicInstant(nanoseconds: 0)
        for _ in 0..<20 {
            pace.saw(200, at: now)
            now = now + .milliseconds(100)
        }
        #expect(pace.interval < LookingPace.longest)
        for _ in 0..<10 {
            now = now + pace.interval
            pace.saw(0, at: now)
        }
        #expect(pace.interval == LookingPace.longest)
    }
}
