/// Whether a member is asked at present, and how often that was stopped.
package struct EtcdBreakerStatus: Hashable, Sendable {
    /// By the names that metrics and health show.
    package enum State: String, Hashable, Sendable, CaseIterable {
        /// It is asked.
        case closed
        /// It is not, for it does not answer: what only it could do fails at once.
        case open
        /// It is not, but for one question which decides.
        case halfOpen = "half_open"
    }

    package var endpoint: EtcdEndpoint
    package var state: State
    /// How often it went from closed to open.
    package var openedCount: Int64

    package init(endpoint: EtcdEndpoint, state: State, openedCount: Int64) {
        self.endpoint = endpoint
        self.state = state
        self.openedCount = openedCount
    }
}
