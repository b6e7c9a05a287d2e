import Testing

@testable import LedgerCore

@Suite("The pace of forwards")
struct ForwardPaceTests {
    private var pace = ForwardPace(ReplicaSettings(identity: nil))
    private let start = MonotonicInstant(nanoseconds: 0)

    private func at(_ milliseconds: Int64) -> MonotonicInstant {
        start + .milliseconds(milliseconds)
    }

    /// An event that was sent at 0 is answered alone.
    private func answered(_ pace: inout ForwardPace, _ milliseconds: Int64) {
        pace.answered(sentAt: at(0), isMoreUnderWay: false, at: at(milliseconds))
        pace.batchEnded()
    }

    @Test("protocol.md 18: a silent sealer is given 20 ms at least, and twice the usual time")
    func patience() {
        var pace = pace
        #expect(pace.patience == .milliseconds(20))
        for _ in 0..<100 { answered(&pace, 30) }
        #expect(pace.patience > .milliseconds(58))
        #expect(pace.patience < .milliseconds(65))
        // One commit during an election counts for no more than four contracts.
        answered(&pace, 60_000)
        #expect(pace.patience < .milliseconds(250))
        for _ in 0..<100 { answered(&pace, 2) }
        #expect(pace.patience == .milliseconds(20))
    }

    @Test("a doubt that was wrong doubles patience, up to eight times, and answers make it usual")
    func caution() {
        var pace = pace
        for doubled in [40, 80, 160, 160] as [Int64] {
            pace.doubtedWrongly()
            #expect(pace.patience == .milliseconds(doubled))
        }
        for _ in 0..<100 { answered(&pace, 2) }
        #expect(pace.patience < .milliseconds(100))
        #expect(pace.patience > .milliseconds(90))
        for _ in 0..<400 { answered(&pace, 2) }
        #expect(pace.patience == .milliseconds(20))
    }

    @Test("who knows nothing of the sealer yet is as cautious as it is told")
    func firstCaution() {
        var pace = ForwardPace(ReplicaSettings(identity: nil, firstCaution: 8))
        #expect(pace.patience == .milliseconds(160))
        for _ in 0..<500 { answered(&pace, 2) }
        #expect(pace.patience == .milliseconds(20))
    }

    @Test("events that are answered together count once, as the slowest of them")
    func together() {
        var one = pace
        var many = pace
        for _ in 0..<20 {
            answered(&one, 30)
            for milliseconds in (5...30).reversed() as ReversedCollection<ClosedRange<Int64>> {
                many.answered(sentAt: at(0), isMoreUnderWay: true, at: at(milliseconds))
            }
            many.batchEnded()
        }
        #expect(many.patience == one.patience)
        // A fast commit or two do not make it forget that others took longer.
        let before = many.patience
        for _ in 0..<50 { many.answered(sentAt: at(0), isMoreUnderWay: true, at: at(5)) }
        many.batchEnded()
        #expect(many.patience > .milliseconds(40))
        #expect(before > .milliseconds(58))
        many.batchEnded()
        #expect(many.patience > .milliseconds(40))
    }

    @Test("silence counts from the last sign of life, or from the first thing sent since")
    func silence() {
        var pace = pace
        #expect(pace.silentSince == nil)
        pace.sent(at: at(1))
        pace.sent(at: at(5))
        #expect(pace.silentSince == at(1))
        pace.showsLife(isMoreUnderWay: true, at: at(7))
        #expect(pace.silentSince == at(7))
        pace.showsLife(isMoreUnderWay: false, at: at(8))
        #expect(pace.silentSince == nil)
        pace.sent(at: at(9))
        pace.forget()
        #expect(pace.silentSince == nil)
    }

    @Test("the window grows while answers are fast, shrinks when they are slow, within bounds")
    func window() {
        var pace = pace
        let begin = pace.window
        pace.answered(sentAt: at(0), isMoreUnderWay: true, at: at(5))
        #expect(pace.window == begin + 1)
        // Nothing shows that more would fit where nothing else is under way.
        pace.answered(sentAt: at(0), isMoreUnderWay: false, at: at(5))
        #expect(pace.window == begin + 1)
        pace.answered(sentAt: at(0), isMoreUnderWay: true, at: at(31))
        #expect(pace.window < begin)
        let slow = pace.window
        pace.overloaded()
        #expect(pace.window < slow)
        for _ in 0..<200 { pace.overloaded() }
        #expect(pace.window == ForwardPace.windows.lowerBound)
        for _ in 0..<20_000 { pace.answered(sentAt: at(0), isMoreUnderWay: true, at: at(5)) }
        #expect(pace.window == ForwardPace.windows.upperBound)
    }
}
