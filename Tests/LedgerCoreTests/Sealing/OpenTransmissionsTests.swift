import LedgerCore
import Testing

/// protocol.md 15: whom a transaction is not sent to, and not resolved through.
@Suite("Open transmissions")
struct OpenTransmissionsTests {
    private func at(_ milliseconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test("a member is not avoided while its answer is still waited for")
    func usual() {
        var open = OpenTransmissions<Int>()
        let first = open.begin()
        open.sent(first, to: 1)
        #expect(open.avoided.isEmpty)
        open.ended(first, isSettled: true, at: at(3))
        _ = open.begin()
        #expect(open.avoided.isEmpty)
    }

    @Test("every member with an open transmission is avoided, not only the last one")
    func everyOne() {
        var open = OpenTransmissions<Int>()
        let first = open.begin()
        open.sent(first, to: 1)
        open.doubtOpen()
        #expect(open.avoided == [1])
        let second = open.begin()
        open.sent(second, to: 2)
        #expect(open.avoided == [1])
        open.doubtOpen()
        #expect(open.avoided == [1, 2])
        // A third one answers; the next transaction avoids the two others all the same.
        let third = open.begin()
        open.sent(third, to: 3)
        open.ended(third, isSettled: true, at: at(60))
        open.answered(3, askedAt: at(59))
        _ = open.begin()
        #expect(open.avoided == [1, 2])
    }

    @Test("what could not be sent to one member and went to another counts for that one")
    func failover() {
        var open = OpenTransmissions<Int>()
        let first = open.begin()
        open.sent(first, to: 1)
        open.sent(first, to: 2)
        open.doubtOpen()
        #expect(open.avoided == [2])
    }

    @Test("after a time-out a member is avoided until it answers something it was asked afterwards")
    func silent() {
        var open = OpenTransmissions<Int>()
        let first = open.begin()
        open.sent(first, to: 1)
        open.ended(first, isSettled: false, at: at(1_000))
        #expect(open.avoided == [1])
        open.answered(1, askedAt: at(999))
        #expect(open.avoided == [1])
        open.answered(1, askedAt: at(1_001))
        #expect(open.avoided.isEmpty)
    }
}
