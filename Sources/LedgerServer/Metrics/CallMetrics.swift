package import GRPCEdge
package import PrometheusExposition
import Synchronization

/// Counts calls by method and status code: `rpc_server_call_duration_seconds`, by OpenTelemetry's names (semantic
/// conventions for RPC metrics, `rpc.server.call.duration`).
///
/// Bounded: a method that no port has is `_OTHER`, and gRPC has 17 codes.
package final class CallMetrics: Sendable {
    /// The bounds that OpenTelemetry advises, with 0.001 and 0.002 before them: most answers come within them.
    package static let bounds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]
    /// What stands for every method that the ports do not have.
    package static let otherMethod = "_OTHER"
    /// The names of the codes 0...16, as OpenTelemetry writes them.
    package static let codes = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
        "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    ]

    private let registry: PrometheusRegistry
    /// The histograms of each method by code, made when the first call ends so.
    private let histograms = Mutex<[String: [PrometheusHistogram?]]>([:])

    /// - Parameter registry: where the series are shown.
    package init(registry: PrometheusRegistry) {
        self.registry = registry
    }

    /// Has the series of these methods' calls that end well there from the start.
    package func expect(_ paths: some Sequence<String>) {
        for path in paths { _ = histogram(path, code: 0) }
    }

    /// Counts a call that has ended.
    package func ended(_ end: CallEnd) {
        histogram(end.path, code: end.code).observe(end.duration)
    }

    private func histogram(_ path: String?, code: Int) -> PrometheusHistogram {
        let path = path ?? Self.otherMethod
        if let known = histograms.withLock({ $0[path]?[code] }) { return known }
        let method = path.first == "/" ? String(path.dropFirst()) : path
        // The registry gives the same one to two who ask at once.
        let histogram = registry.histogram(
            "rpc_server_call_duration_seconds",
            help: "Seconds that calls took, by method and status code; of a stream until its end.",
            labels: [
                PrometheusLabel("rpc_system_name", "grpc"), PrometheusLabel("rpc_method", method),
                PrometheusLabel("rpc_response_status_code", Self.codes[code]),
            ], bounds: Self.bounds)
        histograms.withLock {
            $0[path, default: Array(repeating: nil, count: Self.codes.count)][code] = histogram
        }
        return histogram
    }
}
