package import PrometheusExposition

/// What is counted of the port for tiles; every series exists from the start.
package struct TilesMetrics: Sendable {
    /// The label values of `result`.
    package enum Result: String, CaseIterable, Sendable {
        case ok
        /// 304.
        case notModified = "not_modified"
        /// 404: beyond the published size, or no path of a tile.
        case notFound = "not_found"
        /// 4xx otherwise: not a request that is answered.
        case refused
        /// 5xx.
        case failed

        init(status: Int) {
            self =
                switch status {
                case ..<300: .ok
                case 304: .notModified
                case 404: .notFound
                case 500...: .failed
                default: .refused
                }
        }
    }

    private let requests: [Result: PrometheusCounter]

    package init(registry: PrometheusRegistry) {
        var requests: [Result: PrometheusCounter] = [:]
        for result in Result.allCases {
            requests[result] = registry.counter(
                "ledger_tiles_requests_total",
                help: "Requests at the port for tiles by what they were answered.",
                labels: [PrometheusLabel("result", result.rawValue)])
        }
        self.requests = requests
    }

    /// Shows the connections of the port.
    package static func observe(
        _ connections: HTTPConnections, in registry: PrometheusRegistry
    ) {
        registry.sampled(
            "ledger_tiles_connections", .gauge, help: "Open connections at the port for tiles."
        ) { Double(connections.count) }
        registry.sampled(
            "ledger_tiles_connections_refused_total", .counter,
            help: "Connections that were closed at the port for tiles because there were too many."
        ) { Double(connections.refused) }
    }

    package func count(status: Int) {
        requests[Result(status: status)]?.increment()
    }
}
