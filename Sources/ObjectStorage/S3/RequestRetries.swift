/// How often, and after which pauses, a request is sent again that may succeed then.
package struct RequestRetries: Sendable, Hashable {
    /// The first one included; 1...100.
    package var maxAttempts = 6
    /// The longest pause after the first attempt; doubled after each further one.
    package var firstPause = Duration.milliseconds(100)
    /// No pause is longer.
    package var longestPause = Duration.seconds(5)

    package init() {}

    /// Full jitter: any time up to a bound that doubles, so that those who failed together do not come back together.
    ///
    /// - Parameters:
    ///   - attempt: How many have failed, 1 or more.
    ///   - fraction: Random, 0...1.
    ///   - wish: How long the store asks to wait; nil where it does not.
    func pause(after attempt: Int, fraction: Double, wish: Duration? = nil) -> Duration {
        let doublings = min(max(attempt - 1, 0), 20)
        let bound = min(firstPause * (1 << doublings), longestPause)
        return min(max(bound * fraction, wish ?? .zero), longestPause)
    }
}
