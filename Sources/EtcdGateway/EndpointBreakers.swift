import Logging
import Synchronization

/// Drives the circuit breakers of all members: sends their probes, waits for their rests, and says who is barred.
///
/// All clients of the same members share them: one that finds a member gone spares the others the same.
final class EndpointBreakers: Sendable {
    /// Asks a member how it is, within a time of its own; nil where it could not even be asked.
    typealias Probe = @Sendable (EtcdEndpoint) async -> Bool?

    private struct State {
        var breakers: [EtcdEndpoint: CircuitBreaker]
        /// The failure that each member's breaker has seen last.
        var failures: [EtcdEndpoint: EtcdError] = [:]
        var isShutDown = false
    }

    private let state: Mutex<State>
    private let endpoints: [EtcdEndpoint]
    private let logger: Logger
    private let probe: Probe
    private let sleep: @Sendable (Duration) async throws -> Void
    private let chance: @Sendable () -> Double

    /// - Parameters:
    ///   - sleep: replaced in tests.
    ///   - chance: 0..<1; replaced in tests.
    init(
        _ endpoints: [EtcdEndpoint], logger: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void = {
            try await Task.sleep(for: $0)
        },
        chance: @escaping @Sendable () -> Double = { .random(in: 0..<1) },
        probe: @escaping Probe
    ) {
        self.endpoints = endpoints
        self.logger = logger
        self.sleep = sleep
        self.chance = chance
        self.probe = probe
        state = Mutex(
            State(
                breakers: Dictionary(uniqueKeysWithValues: endpoints.map { ($0, CircuitBreaker()) })
            ))
    }

    var statuses: [EtcdBreakerStatus] {
        state.withLock { state in
            endpoints.map { endpoint in
                let breaker = state.breakers[endpoint] ?? CircuitBreaker()
                return EtcdBreakerStatus(
                    endpoint: endpoint, state: breaker.state, openedCount: breaker.openedCount)
            }
        }
    }

    /// The members that are not asked at present.
    var barred: Set<EtcdEndpoint> {
        state.withLock { state in
            var barred: Set<EtcdEndpoint> = []
            for (endpoint, breaker) in state.breakers where breaker.state != .closed {
                barred.insert(endpoint)
            }
            return barred
        }
    }

    /// What whoever finds nobody to ask is told: nothing was sent.
    ///
    /// - Parameter only: The one member that was to be asked.
    func refusal(_ only: EtcdEndpoint?) -> EtcdError {
        let failures = state.withLock { state in
            (only.map { [$0] } ?? endpoints).compactMap { state.failures[$0] }
        }
        // Which certificates are wrong somebody has to know for as long as they are.
        let tls = failures.first { $0.code == .tls }
        return EtcdError(
            failureClass: .notSent, code: tls == nil ? .unavailable : .tls,
            message: "no member answers at present, so none was asked", endpoint: only,
            cause: tls ?? failures.first)
    }

    func answered(_ endpoint: EtcdEndpoint) {
        step(endpoint) { $0.answered() }
    }

    func failed(_ endpoint: EtcdEndpoint, _ error: EtcdError) {
        state.withLock { state in
            if state.breakers[endpoint] != nil { state.failures[endpoint] = error }
        }
        step(endpoint) { $0.failed() }
    }

    /// From now on nobody is probed.
    func shutDown() {
        state.withLock { $0.isShutDown = true }
    }

    private func step(
        _ endpoint: EtcdEndpoint, _ event: (inout CircuitBreaker) -> CircuitBreaker.Action
    ) {
        let action = state.withLock { state -> CircuitBreaker.Action in
            guard !state.isShutDown, var breaker = state.breakers[endpoint] else { return .none }
            let action = event(&breaker)
            state.breakers[endpoint] = breaker
            return action
        }
        perform(action, endpoint)
    }

    private func perform(_ action: CircuitBreaker.Action, _ endpoint: EtcdEndpoint) {
        switch action {
        case .none: break
        case .recovered:
            logger.notice("etcd member is asked again", metadata: ["endpoint": "\(endpoint)"])
        case .probe:
            // Unstructured, for the request that was one failure too many does not wait for it.
            Task { [weak self, probe] in
                let answers = await probe(endpoint)
                self?.probed(endpoint, answers)
            }
        case .rest(let duration, let isNews):
            if isNews {
                logger.warning(
                    "etcd member does not answer and is not asked until it does",
                    metadata: ["endpoint": "\(endpoint)"])
            }
            // Unstructured, for nobody waits for the end of a rest; it is short, and then nothing if all is over.
            Task { [weak self, sleep] in
                try? await sleep(duration)
                self?.step(endpoint) { $0.restEnded(at: .now) }
            }
        }
    }

    private func probed(_ endpoint: EtcdEndpoint, _ answers: Bool?) {
        let chance = chance()
        step(endpoint) {
            // Where nothing was found out, everything stays as it is.
            answers ?? ($0.state == .closed)
                ? $0.answered() : $0.probeFailed(at: .now, chance: chance)
        }
    }
}
