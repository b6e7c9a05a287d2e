/// Decides which member is asked next.
///
/// A pure state machine: it holds what is known of each member, and time comes in as a value.
/// The member that answered last is asked again until it fails. A member that failed rests for a
/// while that doubles with each failure, and is asked before its rest is over only when all
/// others rest as well: resting is an order of preference. Who is not to be asked at all, a
/// `CircuitBreaker` says.
struct EndpointSelector: Sendable {
    /// How long a member rests after its first failure.
    static let firstRest = Duration.milliseconds(50)
    /// The longest rest.
    static let longestRest = Duration.seconds(5)

    private struct Health {
        /// Failures since the last answer.
        var failures = 0
        /// When the member may be asked again.
        var restsUntil: ContinuousClock.Instant?
    }

    let endpoints: [EtcdEndpoint]
    private var health: [Health]
    private var preferred = 0

    /// - Parameter endpoints: At least one; duplicates are dropped.
    init(_ endpoints: [EtcdEndpoint]) {
        precondition(!endpoints.isEmpty, "a selector needs an endpoint")
        var unique: [EtcdEndpoint] = []
        for endpoint in endpoints where !unique.contains(endpoint) { unique.append(endpoint) }
        self.endpoints = unique
        health = Array(repeating: Health(), count: unique.count)
    }

    /// The member to ask, or nil when there is none left to try.
    ///
    /// - Parameters:
    ///   - tried: Members that have failed this very request.
    ///   - avoiding: Members that are taken only when there is no other.
    ///   - only: The one member to take; it need not be among the configured ones.
    ///   - barred: Members that are not taken.
    func choose(
        at now: ContinuousClock.Instant, tried: [EtcdEndpoint] = [],
        avoiding: Set<EtcdEndpoint> = [], only: EtcdEndpoint? = nil,
        barred: Set<EtcdEndpoint> = []
    ) -> EtcdEndpoint? {
        if let only { return tried.contains(only) || barred.contains(only) ? nil : only }
        let inOrder = (0..<endpoints.count).map { (preferred + $0) % endpoints.count }
        let untried = inOrder.filter {
            !tried.contains(endpoints[$0]) && !barred.contains(endpoints[$0])
        }
        let welcome = untried.filter { !avoiding.contains(endpoints[$0]) }
        let candidates = welcome.isEmpty ? untried : welcome
        if let rested = candidates.first(where: { !isResting($0, at: now) }) {
            return endpoints[rested]
        }
        let soonest = candidates.min { left, right in
            restEnd(left, at: now) < restEnd(right, at: now)
        }
        return soonest.map { endpoints[$0] }
    }

    /// Whether another member than `endpoint` could answer now, should this one fail.
    func hasAlternative(
        to endpoint: EtcdEndpoint, at now: ContinuousClock.Instant, tried: [EtcdEndpoint] = [],
        barred: Set<EtcdEndpoint> = []
    ) -> Bool {
        endpoints.indices.contains { index in
            endpoints[index] != endpoint && !tried.contains(endpoints[index])
                && !barred.contains(endpoints[index]) && !isResting(index, at: now)
        }
    }

    /// The member answered, if only with a refusal.
    ///
    /// - Returns: Whether it had failed before.
    @discardableResult
    mutating func succeeded(_ endpoint: EtcdEndpoint) -> Bool {
        guard let index = endpoints.firstIndex(of: endpoint) else { return false }
        let wasFailing = health[index].failures > 0
        health[index] = Health()
        // A call to a particular member must not draw the others' traffic to it: the preference
        // moves only away from a member that fails.
        if health[preferred].failures > 0 { preferred = index }
        return wasFailing
    }

    /// The member could not be reached, did not answer, or cannot serve.
    ///
    /// - Returns: How often it has failed since its last answer.
    @discardableResult
    mutating func failed(_ endpoint: EtcdEndpoint, at now: ContinuousClock.Instant) -> Int {
        guard let index = endpoints.firstIndex(of: endpoint) else { return 0 }
        health[index].failures += 1
        let doublings = min(health[index].failures - 1, 10)
        let rest = min(Self.firstRest * (1 << doublings), Self.longestRest)
        health[index].restsUntil = now + rest
        return health[index].failures
    }

    /// Asks this member first from now on, as long as it answers.
    mutating func prefer(_ endpoint: EtcdEndpoint) {
        if let index = endpoints.firstIndex(of: endpoint) { preferred = index }
    }

    private func isResting(_ index: Int, at now: ContinuousClock.Instant) -> Bool {
        restEnd(index, at: now) > now
    }

    private func restEnd(
        _ index: Int, at now: ContinuousClock.Instant
    ) -> ContinuousClock.Instant {
        health[index].restsUntil ?? now
    }
}
