/// When and how often a call is tried again.
///
/// Waiting times grow from attempt to attempt, vary at random, and are never shorter than what the
/// service asks for.
public struct RetryPolicy: Sendable, Hashable {
    /// How many attempts there are at most, the first one included; at least 1.
    public var maximumAttempts: Int

    /// No attempt begins later than this after the first one began.
    public var overallTime: Duration

    /// The time between the first attempt and the second.
    public var initialBackoff: Duration

    /// The longest time between two attempts, unless the service asks for more.
    public var maximumBackoff: Duration

    /// By how much each waiting time exceeds the one before it; at least 1.
    public var multiplier: Double

    /// How far a waiting time may deviate, as a part of itself: 0...1.
    public var jitter: Double

    /// Creates a policy.
    public init(
        maximumAttempts: Int = 50,
        overallTime: Duration = .seconds(10),
        initialBackoff: Duration = .milliseconds(10),
        maximumBackoff: Duration = .seconds(1),
        multiplier: Double = 2,
        jitter: Double = 0.2
    ) {
        precondition(maximumAttempts >= 1, "there is at least one attempt")
        precondition(multiplier >= 1, "waiting times do not shrink")
        precondition((0...1).contains(jitter), "jitter is a part of the waiting time")
        self.maximumAttempts = maximumAttempts
        self.overallTime = overallTime
        self.initialBackoff = initialBackoff
        self.maximumBackoff = maximumBackoff
        self.multiplier = multiplier
        self.jitter = jitter
    }

    /// One attempt, whatever comes of it.
    public static let never = RetryPolicy(maximumAttempts: 1)

    /// How long to wait after an attempt, or nil where there is no next one.
    ///
    /// - Parameters:
    ///   - attempts: How many attempts there were, at least 1.
    ///   - elapsed: The time since the first one began.
    ///   - retryAfter: What the service asks for.
    ///   - random: A random number, 0..<1.
    package func delay(
        afterAttempts attempts: Int, elapsed: Duration, retryAfter: Duration?, random: Double
    ) -> Duration? {
        guard attempts < maximumAttempts else { return nil }
        var backoff = min(initialBackoff, maximumBackoff)
        for _ in 1..<max(attempts, 1) where backoff < maximumBackoff {
            backoff = Self.scaled(backoff, by: multiplier)
        }
        backoff = Self.scaled(
            min(backoff, maximumBackoff), by: 1 + jitter * (2 * random - 1))
        // Only ever later than asked, but not all callers at the same moment.
        let asked = Self.scaled(retryAfter ?? .zero, by: 1 + jitter * random)
        let delay = max(backoff, asked)
        return elapsed + delay < overallTime ? delay : nil
    }

    private static func scaled(_ duration: Duration, by factor: Double) -> Duration {
        .seconds(duration / .seconds(1) * factor)
    }
}
