import LedgerAPI
package import PrometheusExposition

/// What the admin port answers, apart from any HTTP library.
package struct AdminPages: Sendable {
    /// Answers for paths of its own, for example `/checkpoint` and `/tile/...`; nil for others.
    package typealias FurtherPages = @Sendable (_ path: String) async -> Page?

    private static let paths = "/livez, /readyz, /health, /metrics, /checkpoint, /tile/..."

    private let reporter: HealthReporter
    private let registry: PrometheusRegistry
    private let further: FurtherPages

    /// Makes the pages.
    package init(
        reporter: HealthReporter, registry: PrometheusRegistry,
        further: @escaping FurtherPages = { _ in nil }
    ) {
        self.reporter = reporter
        self.registry = registry
        self.further = further
    }

    /// The answer to GET of a path without its query.
    ///
    /// - Parameter accept: the request's header of that name.
    package func get(_ path: String, accept: String? = nil) async -> Page {
        switch path {
        case "/livez":
            return Page(line: "alive")
        case "/readyz":
            return readiness()
        case "/health":
            let health = await reporter.health()
            return Page(
                status: health.status == .unhealthy ? 503 : 200,
                contentType: "application/json",
                body: Array((HealthJSON.encode(health) + "\n").utf8))
        case "/metrics":
            let media = AcceptedMedia(accept)
            let format: PrometheusRegistry.Format =
                media.prefers(PrometheusRegistry.Format.openMetricsType, to: "text/plain")
                ? .openMetrics : .text
            return Page(
                contentType: format.contentType, body: Array(registry.exposition(format).utf8))
        default:
            return await further(path)
                ?? Page(status: 404, line: "not found; there are \(Self.paths)")
        }
    }

    private func readiness() -> Page {
        let status = reporter.status
        let text = status.message.isEmpty ? "" : ": \(status.message)"
        // A message of several lines would break the promise of one.
        let line = "\(status.state.rawValue)\(text)".split(whereSeparator: \.isNewline)
        return Page(
            status: status.isReady ? 200 : 503, line: line.joined(separator: " "))
    }
}
