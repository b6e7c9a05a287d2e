import EtcdGateway
import Foundation
import PrometheusExposition
import Testing

@testable import LedgerServer

@Suite("The service's metrics")
struct LedgerMetricsTests {
    private let metrics = LedgerMetrics(version: "1.2.3")

    private func value(_ series: String) -> Double? {
        for line in metrics.registry.exposition().split(separator: "\n")
        where line.hasPrefix(series + " ") {
            return Double(line.dropFirst(series.count + 1))
        }
        return nil
    }

    @Test(
        "Every series that alerts rely on is there from the start with 0",
        arguments: [
            "ledger_submissions_total{outcome=\"sealed\"}",
            "ledger_submissions_total{outcome=\"duplicate\"}",
            "ledger_submissions_total{outcome=\"conflicting\"}",
            "ledger_submissions_total{outcome=\"invalid\"}",
            "ledger_submissions_total{outcome=\"overloaded\"}",
            "ledger_submissions_total{outcome=\"not_sealed\"}",
            "ledger_submissions_total{outcome=\"unknown\"}",
            "ledger_submissions_total{outcome=\"denied\"}",
            "ledger_commit_seconds_bucket{le=\"0.05\"}", "ledger_commit_seconds_count",
            "ledger_contract_violations_total", "ledger_head_sequence_number",
            "ledger_lost_races_total", "ledger_batch_events_count",
            "ledger_is_sealer", "ledger_findings_total",
            "ledger_etcd_requests_total{operation=\"txn\",result=\"ok\"}",
            "ledger_etcd_requests_total{operation=\"range\",result=\"unknown\"}",
            "ledger_etcd_request_seconds_count{operation=\"txn\"}",
            "ledger_etcd_connections{state=\"active\"}", "ledger_etcd_connections{state=\"idle\"}",
        ])
    func initialSeries(_ series: String) {
        #expect(value(series) == 0)
    }

    @Test(
        "What a replica has under way is there with 0 as soon as there is a replica",
        arguments: [
            "ledger_queue_events", "ledger_lookups_running{of=\"duplicates\"}",
            "ledger_lookups_waiting{of=\"forwards\"}",
        ])
    func replicaSeries(_ series: String) throws {
        metrics.observe(try LoadedReplica(events: 1).replica)
        #expect(value(series) == 0)
    }

    @Test(
        "Without an audit its series are there with 0",
        arguments: ["ledger_verified_events", "ledger_audit_running", "ledger_audit_findings"])
    func auditSeries(_ series: String) {
        metrics.observe(nil)
        #expect(value(series) == 0)
    }

    @Test("Handles change their own series")
    func handles() {
        metrics.countSubmission(.notSealed)
        metrics.countSubmission(.sealed, by: 60)
        metrics.commitSeconds.observe(.milliseconds(50))
        metrics.contractViolations.increment()
        metrics.headSequenceNumber.set(1001.0)
        metrics.isSealer.set(1.0)
        metrics.batchEvents.observe(60)
        #expect(value("ledger_submissions_total{outcome=\"not_sealed\"}") == 1)
        #expect(value("ledger_submissions_total{outcome=\"sealed\"}") == 60)
        #expect(value("ledger_commit_seconds_bucket{le=\"0.05\"}") == 1)
        #expect(value("ledger_commit_seconds_bucket{le=\"0.04\"}") == 0)
        #expect(value("ledger_contract_violations_total") == 1)
        #expect(value("ledger_head_sequence_number") == 1001)
        #expect(value("ledger_is_sealer") == 1)
        #expect(value("ledger_batch_events_bucket{le=\"64\"}") == 1)
        #expect(value("ledger_build_info{version=\"1.2.3\"}") == 1)
    }

    @Test("Requests to etcd are counted; what is not known falls under a fixed label")
    func requests() {
        metrics.countEtcdRequest(operation: "txn", result: "ok", duration: .milliseconds(2))
        metrics.countEtcdRequest(operation: "nonsense", result: "odd", duration: .zero)
        #expect(value("ledger_etcd_requests_total{operation=\"txn\",result=\"ok\"}") == 1)
        #expect(value("ledger_etcd_request_seconds_bucket{operation=\"txn\",le=\"0.0025\"}") == 1)
        #expect(value("ledger_etcd_requests_total{operation=\"other\",result=\"unknown\"}") == 1)
        #expect(!metrics.registry.exposition().contains("nonsense"))
    }

    @Test("Every failure class of the client has its label")
    func failureClasses() {
        for failure: EtcdFailureClass in [.notSent, .rejected, .unknown, .corrupt] {
            #expect(LedgerMetrics.results.contains(failure.rawValue))
        }
    }

    @Test("Connections are read when they are asked for")
    func connections() {
        metrics.observeConnections { (active: 3, idle: 2) }
        #expect(value("ledger_etcd_connections{state=\"active\"}") == 3)
        #expect(value("ledger_etcd_connections{state=\"idle\"}") == 2)
    }

    @Test("Memory, CPU time and start of this process are plausible")
    func process() throws {
        let memory = try #require(value("process_resident_memory_bytes"))
        #expect(memory > 1_000_000 && memory < 1e12)
        let start = try #require(value("process_start_time_seconds"))
        let age = Date().timeIntervalSince1970 - start
        #expect(age > -5 && age < 86_400)
        let before = try #require(value("process_cpu_seconds_total"))
        // Work until the clock of 10 ms ticks has moved.
        let deadline = ContinuousClock.now + .seconds(10)
        var after = before
        while after == before, ContinuousClock.now < deadline {
            after = try #require(value("process_cpu_seconds_total"))
        }
        #expect(after > before)
    }
}
