import NIOCore
import Testing

@testable import LedgerServer

@Suite("When forwarded events wait for company")
struct WritePaceTests {
    private func at(_ microseconds: UInt64) -> NIODeadline {
        .uptimeNanoseconds(1_000_000_000 + microseconds * 1_000)
    }

    @Test("a lone caller never waits, however fast it is answered")
    func alone() {
        var pace = WritePace()
        for number in 0..<100 as Range<UInt64> {
            let now = at(number * 1_000)
            #expect(pace.holdUntil(now) == nil)
            pace.wrote(1, at: now)
        }
    }

    @Test("under load messages are an interval apart, and no event waits for longer")
    func load() {
        var pace = WritePace()
        var waiting = 0
        var messages = 0
        var heldSince: NIODeadline?
        // An event every 200 us, for a second.
        for number in 0..<5_000 as Range<UInt64> {
            let now = at(number * 200)
            waiting += 1
            guard let later = pace.holdUntil(now) else {
                pace.wrote(waiting, at: now)
                if let heldSince { #expect(now - heldSince <= WritePace.interval) }
                (waiting, heldSince) = (0, nil)
                messages += 1
                continue
            }
            #expect(later - now <= WritePace.interval)
            heldSince = heldSince ?? now
        }
        #expect((330...350).contains(messages), "\(messages)")
    }

    @Test("after a quiet time an event goes at once, and so do a few")
    func quiet() {
        var pace = WritePace()
        pace.wrote(100, at: at(0))
        #expect(pace.holdUntil(at(100)) == at(3_000))
        #expect(pace.holdUntil(at(3_000)) == nil)
        #expect(pace.holdUntil(at(10_000)) == nil)
        pace.wrote(3, at: at(10_000))
        #expect(pace.holdUntil(at(10_100)) == nil)
        pace.wrote(1, at: at(10_100))
        #expect(pace.holdUntil(at(10_200)) == at(13_100))
    }
}
