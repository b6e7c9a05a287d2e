package import OTLPExport
import PrometheusExposition

extension LedgerMetrics {
    /// Shows what became of spans: `ledger_spans_exported_total`, `ledger_spans_dropped_total`, `ledger_spans_queued`;
    /// where nothing is exported every series is there with 0.
    package func observe(traces exporter: OTLPExporter?) {
        registry.sampled(
            "ledger_spans_exported_total", .counter,
            help: "Spans of traces that the collector has taken."
        ) { Double(exporter?.statistics.exported ?? 0) }
        registry.sampled(
            "ledger_spans_queued", .gauge, help: "Spans of traces that wait to be exported."
        ) { Double(exporter?.statistics.queued ?? 0) }
        for loss in OTLPExporter.Loss.allCases {
            registry.sampled(
                "ledger_spans_dropped_total", .counter,
                help: "Spans of traces that were lost, by reason.",
                labels: [PrometheusLabel("reason", loss.rawValue)]
            ) { Double(exporter?.statistics.lost[loss] ?? 0) }
        }
    }
}
