import LedgerClient
import Testing

@Suite("The waiting times of a retry policy")
struct RetryPolicyTests {
    private let policy = RetryPolicy(
        maximumAttempts: 8, overallTime: .seconds(10), initialBackoff: .milliseconds(10),
        maximumBackoff: .milliseconds(50), multiplier: 2, jitter: 0.5)

    private func delay(
        _ attempts: Int, elapsed: Duration = .zero, retryAfter: Duration? = nil,
        random: Double = 0.5
    ) -> Duration? {
        policy.delay(
            afterAttempts: attempts, elapsed: elapsed, retryAfter: retryAfter, random: random)
    }

    @Test("They double up to the maximum")
    func growth() {
        #expect((1...5).map { delay($0) } == [10, 20, 40, 50, 50].map { .milliseconds($0) })
    }

    @Test("They vary by the jitter, in both directions")
    func jitter() {
        #expect(delay(1, random: 0) == .milliseconds(5))
        #expect(delay(1, random: 1) == .milliseconds(15))
    }

    @Test("They are never shorter than the service asks for")
    func retryAfter() throws {
        #expect(delay(1, retryAfter: .milliseconds(300), random: 0) == .milliseconds(300))
        let latest = try #require(delay(1, retryAfter: .milliseconds(300), random: 1))
        #expect(latest > .milliseconds(449) && latest < .milliseconds(451))
        #expect(delay(1, retryAfter: .milliseconds(1)) == .milliseconds(10))
    }

    @Test("There is none after the last attempt, or where the time would be over")
    func limits() {
        #expect(delay(7) != nil)
        #expect(delay(8) == nil)
        #expect(delay(1, elapsed: .milliseconds(9_989)) != nil)
        #expect(delay(1, elapsed: .milliseconds(9_990)) == nil)
        #expect(delay(1, retryAfter: .seconds(11)) == nil)
        #expect(
            RetryPolicy.never.delay(
                afterAttempts: 1, elapsed: .zero, retryAfter: nil, random: 0) == nil)
    }
}
