import LedgerCore
import LedgerServer
import Testing

@Suite("Rate limits")
struct RateLimiterTests {
    private static let start = MonotonicInstant(
        nanoseconds: Nanoseconds.milliseconds(1_000_000).count)

    private func instant(_ milliseconds: Int64) -> MonotonicInstant {
        Self.start + .milliseconds(milliseconds)
    }

    private func limiter(_ all: String?, _ each: String?) throws -> RateLimiter {
        try #require(
            RateLimiter(all: all.flatMap { RateLimit($0) }, each: each.flatMap { RateLimit($0) }))
    }

    /// How many of so many events are taken at one moment.
    private func taken(
        _ limiter: RateLimiter, _ count: Int, _ submitter: String, at milliseconds: Int64
    ) -> Int {
        (0..<count).count { _ in
            limiter.take(Array(submitter.utf8), at: instant(milliseconds)) == nil
        }
    }

    @Test("a burst is taken at once, then so many a second")
    func burst() throws {
        let limiter = try limiter(nil, "100/200")
        #expect(taken(limiter, 500, "a", at: 0) == 200)
        #expect(taken(limiter, 500, "a", at: 1_000) == 100)
        #expect(taken(limiter, 500, "a", at: 1_100) == 10)
        // A long rest fills the bucket, and no more.
        #expect(taken(limiter, 500, "a", at: 1_000_000) == 200)
    }

    @Test("each submitter has a bucket, and all of them share one")
    func buckets() throws {
        let limiter = try limiter("150", "100")
        #expect(taken(limiter, 200, "a", at: 0) == 100)
        #expect(taken(limiter, 200, "b", at: 0) == 50)
        // What was refused for the sake of all was not taken from b.
        #expect(taken(limiter, 500, "b", at: 700) == 100)
        #expect(taken(limiter, 500, "c", at: 700) == 5)
    }

    @Test("a caller that comes again when it was told to is taken")
    func delays() throws {
        let limiter = try limiter(nil, "100/1")
        #expect(taken(limiter, 1, "a", at: 0) == 1)
        // Ten that are refused at once are told different times, at the pace of the limit.
        let delays = (0..<10).map { _ in limiter.take(Array("a".utf8), at: instant(0)) }
        #expect(delays.map { $0?.millisecondsRoundedUp } == (1...10).map { Int64($0) * 10 })
        for delay in delays.compactMap(\.self) {
            #expect(limiter.take(Array("a".utf8), at: Self.start + delay) == nil)
        }
    }

    @Test("what strangers can fill is bounded")
    func strangers() throws {
        let limiter = try limiter(nil, "1")
        for number in 0..<(RateLimiter.maxSubmitters + 5_000) {
            _ = limiter.take(Array("\(number)".utf8), at: instant(0))
        }
        #expect(limiter.submitterCount == RateLimiter.maxSubmitters)
        // The strangers share one bucket, and those who were known have theirs.
        #expect(limiter.take(Array("late".utf8), at: instant(0)) != nil)
        #expect(limiter.take(Array("0".utf8), at: instant(1_000)) == nil)
        // Who has rested makes room.
        #expect(limiter.take(Array("late".utf8), at: instant(100_000)) == nil)
        #expect(limiter.submitterCount == 1)
    }

    @Test(
        "values that are none",
        arguments: ["0", "-1", "1/", "/1", "1/0", "1/2/3", "1.5", "x", "10000001", " 1"])
    func refused(text: String) {
        #expect(RateLimit(text) == nil)
    }

    @Test("a value is shown as it may be set")
    func shown() {
        #expect(RateLimit("100/200")?.description == "100/200")
        #expect(RateLimit("100")?.description == "100")
        #expect(RateLimit("100/100") == RateLimit("100"))
    }
}
