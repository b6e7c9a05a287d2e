package import LedgerTransparency
import PrometheusExposition

extension LedgerMetrics {
    /// Counts requests to witnesses: `ledger_witness_requests_total`.
    ///
    /// - Parameter names: of the configured witnesses, which bounds the series.
    package func witnessCounter(
        _ names: [String]
    ) -> @Sendable (_ name: String, WitnessResult) -> Void {
        var counters: [String: [WitnessResult: PrometheusCounter]] = [:]
        for name in names {
            for result in WitnessResult.allCases {
                counters[name, default: [:]][result] = registry.counter(
                    "ledger_witness_requests_total",
                    help: "Requests to witnesses by how they ended.",
                    labels: [
                        PrometheusLabel("witness", name),
                        PrometheusLabel("result", result.rawValue),
                    ])
            }
        }
        let complete = counters
        return { name, result in complete[name]?[result]?.increment() }
    }
}
