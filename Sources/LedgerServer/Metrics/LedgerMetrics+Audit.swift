import LedgerCore
package import LedgerTransparency
import PrometheusExposition

extension LedgerMetrics {
    /// Shows how far the continuous audit is; without one every series is there with 0.
    package func observe(_ audit: Audit?) {
        func sampled(
            _ name: String, _ kind: PrometheusType = .gauge, help: String,
            _ value: @escaping @Sendable (AuditReport) -> Double
        ) {
            registry.sampled(name, kind, help: help, labels: []) {
                audit.map { value($0.report) } ?? 0
            }
        }
        sampled(
            "ledger_verified_events",
            help:
                "Up to this number the audit has verified everything, and found nothing."
        ) { Double($0.verified.rawValue) }
        sampled(
            "ledger_audit_running",
            help:
                "1 while a pass of the audit is under way, 0 while it follows or rests."
        ) { $0.isRunning ? 1 : 0 }
        sampled("ledger_audit_pass", help: "The number of the audit's newest pass.") {
            Double($0.pass)
        }
        sampled(
            "ledger_audit_position", help: "The number that this pass of the audit has reached."
        ) {
            Double($0.position.rawValue)
        }
        sampled(
            "ledger_audit_pass_seconds",
            help: "Seconds that the audit's last whole pass over all events took."
        ) { $0.lastPass?.seconds ?? 0 }
        sampled(
            "ledger_audit_findings",
            help: "Contradictions that the audit has found since the start, each counted once."
        ) { Double($0.found) }
        sampled(
            "ledger_audit_failures_total", .counter,
            help: "Reads of the audit that failed and were tried again."
        ) { Double($0.failures) }
    }
}
