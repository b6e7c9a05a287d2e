package import LedgerArchive
import LedgerCore
package import ObjectStorage
import PrometheusExposition

extension LedgerMetrics {
    /// Bounds of `ledger_archive_request_seconds`.
    package static let archiveBounds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]

    /// Counts requests to the archive's storage: `ledger_archive_requests_total`, `ledger_archive_request_seconds`,
    /// `ledger_archive_bytes_total`.
    package func archiveObserver() -> ObjectRequestObserver {
        let operations = ObjectRequest.Operation.allCases
        let results =
            ["ok", "absent", "exists"] + ObjectStoreError.Kind.allCases.map(\.rawValue)
        var requests: [ObjectRequest.Operation: [String: PrometheusCounter]] = [:]
        var seconds: [ObjectRequest.Operation: PrometheusHistogram] = [:]
        var bytes: [ObjectRequest.Operation: PrometheusCounter] = [:]
        for operation in operations {
            let label = PrometheusLabel("operation", operation.rawValue)
            for result in results {
                requests[operation, default: [:]][result] = registry.counter(
                    "ledger_archive_requests_total",
                    help: "Requests to the archive's storage by operation and result.",
                    labels: [label, PrometheusLabel("result", result)])
            }
            seconds[operation] = registry.histogram(
                "ledger_archive_request_seconds",
                help: "Seconds that requests to the archive's storage took.",
                labels: [label], bounds: Self.archiveBounds)
            bytes[operation] = registry.counter(
                "ledger_archive_bytes_total",
                help: "Bytes of objects that were read from the archive, or written to it.",
                labels: [label])
        }
        let counters = (requests, seconds, bytes)
        return { request in
            counters.0[request.operation]?[request.result.label]?.increment()
            counters.1[request.operation]?.observe(request.duration)
            counters.2[request.operation]?.increment(by: Int64(request.byteCount))
        }
    }

    /// Shows how far the archive is; without one every series is there with 0.
    package func observe(
        archiver: @escaping @Sendable () -> Archiver.Status?,
        reader: @escaping @Sendable () -> ArchiveReader.Status?
    ) {
        func sampled(
            _ name: String, _ kind: PrometheusType = .gauge, help: String,
            _ value: @escaping @Sendable (Archiver.Status) -> Double
        ) {
            registry.sampled(name, kind, help: help, labels: []) {
                archiver().map(value) ?? 0
            }
        }
        sampled(
            "ledger_archive_through",
            help: "Every event up to this number is in the archive and was read back."
        ) { Double($0.through ?? 0) }
        sampled(
            "ledger_archive_trimmed",
            help: "Events up to this number have left etcd, or are about to."
        ) { Double($0.trimmed) }
        sampled(
            "ledger_archive_lag_events", help: "Sealed events that are not known to be archived."
        ) { Double($0.lagEvents) }
        sampled(
            "ledger_archive_lag_seconds",
            help: "For how long this replica has known the oldest event that is not archived."
        ) { $0.lag.seconds }
        sampled(
            "ledger_archive_failures_total", .counter,
            help: "Rounds of archiving that failed and are tried again."
        ) { Double($0.failures) }
        registry.sampled(
            "ledger_archive_contradictions_total", .counter,
            help: "Objects that were read from the archive, and were wrong or missing.", labels: []
        ) { Double(reader()?.contradictions ?? 0) }
        registry.sampled(
            "ledger_archive_cache_hits_total", .counter,
            help: "Objects of the archive that were found in memory.", labels: []
        ) { Double(reader()?.hits ?? 0) }
    }
}
