package import GRPCEdge
import LedgerCore
package import LedgerReplica
package import LedgerTransparency
package import PrometheusExposition
import Synchronization

/// The service's own metrics by their fixed names (api.md, "Admin HTTP").
///
/// Every series exists from the start with 0, so that an alert on a rate sees the first event.
package final class LedgerMetrics: Sendable {
    /// Bounds of `ledger_commit_seconds`; 0.05 is the commit contract.
    package static let commitBounds = [
        0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5,
    ]
    /// Bounds of `ledger_batch_events`, up to the largest batch.
    package static let batchBounds: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    /// Bounds of `ledger_etcd_request_seconds`.
    package static let requestBounds = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
    ]
    /// Bounds of `ledger_handover_seconds`.
    package static let handoverBounds = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// The label values of `operation`; anything else is counted as `other`.
    package static let operations = [
        "range", "txn", "lease_grant", "lease_keepalive", "lease_revoke", "status", "alarm",
        "authenticate", "other",
    ]
    /// The label values of `result`; anything else is counted as `unknown`.
    package static let results = ["ok", "not_sent", "rejected", "unknown", "corrupt"]

    /// The connections to etcd at one moment.
    package typealias Connections = (active: Int, idle: Int)

    /// Where everything is registered.
    package let registry: PrometheusRegistry

    /// `ledger_commit_seconds`: from receipt to proved commit.
    package let commitSeconds: PrometheusHistogram
    /// `ledger_contract_violations_total`: sealed after the commit deadline.
    package let contractViolations: PrometheusCounter
    /// `ledger_head_sequence_number`: the newest number this replica knows.
    package let headSequenceNumber: PrometheusGauge
    /// `ledger_lost_races_total`: transactions that another replica's forestalled.
    package let lostRaces: PrometheusCounter
    /// `ledger_batch_events`: events in each transaction.
    package let batchEvents: PrometheusHistogram
    /// `ledger_is_sealer`: 1 while this replica holds the hint.
    package let isSealer: PrometheusGauge
    /// `ledger_forwarded_events_total`: events sent to the replica that seals.
    package let forwardedEvents: PrometheusCounter
    /// `ledger_forwards_received_total`: events that other replicas sent here.
    package let forwardsReceived: PrometheusCounter
    /// `ledger_forwarding_peers`: replicas that forward here.
    package let forwardingPeers: PrometheusGauge
    /// `ledger_handover_seconds`: how long events could neither be forwarded nor sealed under the hint.
    package let handoverSeconds: PrometheusHistogram
    /// `ledger_findings_total`: contradictions that verification found.
    package let findings: PrometheusCounter

    /// `ledger_commit_stage_seconds`: where the time of commits goes.
    package let stages: CommitStages
    /// `rpc_server_call_duration_seconds`: calls by method and code.
    package let calls: CallMetrics

    private let doubts: [DoubtLabel: PrometheusCounter]
    private let elections: [ElectionLabel: PrometheusCounter]
    private let submissions: [SubmissionOutcomeLabel: PrometheusCounter]
    private let etcdRequests: [String: [String: PrometheusCounter]]
    private let etcdRequestSeconds: [String: PrometheusHistogram]
    private let connections = Mutex<(@Sendable () -> Connections)?>(nil)

    /// Registers every metric.
    ///
    /// - Parameter version: the value of `ledger_build_info`'s label.
    package init(registry: PrometheusRegistry = PrometheusRegistry(), version: String = "dev") {
        self.registry = registry
        commitSeconds = registry.histogram(
            "ledger_commit_seconds",
            help: "Seconds from the receipt of an event to its proved commit.",
            bounds: Self.commitBounds)
        contractViolations = registry.counter(
            "ledger_contract_violations_total",
            help: "Events that were sealed later than the commit deadline.")
        headSequenceNumber = registry.gauge(
            "ledger_head_sequence_number",
            help: "The newest sequence number that this replica knows.")
        lostRaces = registry.counter(
            "ledger_lost_races_total",
            help: "Sealing transactions that another replica's transaction forestalled.")
        batchEvents = registry.histogram(
            "ledger_batch_events", help: "Events in a sealing transaction.",
            bounds: Self.batchBounds)
        isSealer = registry.gauge(
            "ledger_is_sealer", help: "1 while this replica is the one that seals, else 0.")
        forwardedEvents = registry.counter(
            "ledger_forwarded_events_total",
            help: "Events that were forwarded to the replica that seals.")
        forwardsReceived = registry.counter(
            "ledger_forwards_received_total",
            help: "Events that other replicas forwarded to this one.")
        forwardingPeers = registry.gauge(
            "ledger_forwarding_peers", help: "Replicas that have a stream open to forward here.")
        handoverSeconds = registry.histogram(
            "ledger_handover_seconds",
            help: "Seconds in which events could neither be forwarded nor sealed under the hint.",
            bounds: Self.handoverBounds)
        stages = CommitStages(registry: registry)
        calls = CallMetrics(registry: registry)
        doubts = Self.counters(
            "ledger_doubts_resolved_total",
            help: "Sealing transactions that were not answered, by what became of them.",
            by: "fate", in: registry)
        elections = Self.counters(
            "ledger_elections_total", help: "Changes of which replica this one takes to seal.",
            by: "event", in: registry)
        findings = registry.counter(
            "ledger_findings_total", help: "Contradictions that verification found.")
        submissions = Self.counters(
            "ledger_submissions_total", help: "Submitted events by how they ended.",
            by: "outcome", in: registry)
        etcdRequests = Self.requests(in: registry)
        etcdRequestSeconds = Self.requestSeconds(in: registry)
        registry.sampled(
            "ledger_build_info", .gauge, help: "Always 1; the label names the build.",
            labels: [PrometheusLabel("version", version)]
        ) { 1 }
        ProcessMetrics.register(in: registry)
        registerConnections()
    }

    /// Counts how a submission ended: `ledger_submissions_total`.
    package func countSubmission(_ outcome: SubmissionOutcomeLabel, by amount: Int = 1) {
        submissions[outcome]?.increment(by: Int64(amount))
    }

    /// How many submissions ended so, for tests.
    package func submissions(_ outcome: SubmissionOutcomeLabel) -> Int64 {
        submissions[outcome]?.total ?? 0
    }

    /// Counts a change of a replica's part: `ledger_elections_total`.
    package func countElection(_ event: ElectionLabel, outage: Double? = nil) {
        elections[event]?.increment()
        if let outage { handoverSeconds.observe(outage) }
    }

    /// Counts what became of a transaction whose fate was open: `ledger_doubts_resolved_total`.
    package func countDoubt(isSealed: Bool) {
        doubts[isSealed ? .sealed : .notSealed]?.increment()
    }

    /// Names the source of `ledger_etcd_connections`, once the client exists.
    package func observeConnections(_ source: @escaping @Sendable () -> Connections) {
        connections.withLock { $0 = source }
    }

    /// Counts a request to etcd: `ledger_etcd_requests_total`, `ledger_etcd_request_seconds`.
    package func countEtcdRequest(operation: String, result: String, duration: Duration) {
        let operation = etcdRequestSeconds[operation] == nil ? "other" : operation
        let counters = etcdRequests[operation]
        (counters?[result] ?? counters?["unknown"])?.increment()
        etcdRequestSeconds[operation]?.observe(duration)
    }
}

extension LedgerMetrics {
    /// Shows what a replica has under way: `ledger_queue_events`, `ledger_lookups_running`, `ledger_lookups_waiting`.
    package func observe(_ replica: Replica) {
        registry.sampled(
            "ledger_queue_events", .gauge, help: "Events that wait to be sealed.", labels: []
        ) { Double(replica.load.queuedEvents) }
        for kind in LookUpLabel.allCases {
            let label = PrometheusLabel("of", kind.rawValue)
            registry.sampled(
                "ledger_lookups_running", .gauge,
                help: "Look-ups of events that may be sealed already, at most LEDGER_MAX_LOOKUPS "
                    + "each.",
                labels: [label]
            ) { Double(replica.load.lookUps(kind).running) }
            registry.sampled(
                "ledger_lookups_waiting", .gauge, help: "Look-ups that wait for their turn.",
                labels: [label]
            ) { Double(replica.load.lookUps(kind).waiting) }
        }
    }

    /// Shows what has become of checkpoints.
    package func observe(_ checkpointer: Checkpointer) {
        registry.sampled(
            "ledger_checkpoint_size", .gauge,
            help: "The number of the last event that the newest signed checkpoint covers.",
            labels: []
        ) { Double(checkpointer.status.newest?.size ?? 0) }
        registry.sampled(
            "ledger_checkpoints_published_total", .counter,
            help: "Checkpoints that this replica has signed and put.", labels: []
        ) { Double(checkpointer.status.published) }
        registry.sampled(
            "ledger_checkpoints_failed_total", .counter,
            help: "Looks at the stored checkpoint, or checkpoints, that came to nothing.",
            labels: []
        ) { Double(checkpointer.status.failed) }
        registry.sampled(
            "ledger_checkpoints_blocked", .gauge,
            help: "1 while the stored checkpoint was not written by this ledger, and none is put.",
            labels: []
        ) { checkpointer.status.blocked == nil ? 0 : 1 }
    }

    /// Shows what the streams hold.
    package func observe(_ budget: AnswerBudget) {
        registry.sampled(
            "ledger_stream_bytes", .gauge,
            help: "Bytes of events in streams whose answers their callers have not taken.",
            labels: []
        ) { Double(budget.held) }
    }

    /// Shows what a port holds and has refused.
    package func observe(_ statistics: EdgeStatistics, ofPort port: String) {
        let label = PrometheusLabel("port", port)
        registry.sampled(
            "ledger_grpc_connections", .gauge, help: "Open connections of callers.",
            labels: [label]
        ) { Double(statistics.connections) }
        registry.sampled(
            "ledger_grpc_calls", .gauge, help: "Open calls.", labels: [label]
        ) { Double(statistics.calls) }
        registry.sampled(
            "ledger_grpc_request_bytes", .gauge,
            help: "Bytes of requests that are held and not yet taken.", labels: [label]
        ) { Double(statistics.heldBytes) }
        registry.sampled(
            "ledger_grpc_connections_rejected_total", .counter,
            help: "Connections that were closed because there were too many.", labels: [label]
        ) { Double(statistics.connectionsRejected) }
        for refusal in Refusal.allCases {
            registry.sampled(
                "ledger_grpc_refused_total", .counter,
                help: "Calls and messages that were refused before the service saw them.",
                labels: [label, PrometheusLabel("reason", refusal.label)]
            ) { Double(statistics.refused(refusal)) }
        }
    }
}

extension LedgerMetrics {
    /// A counter for each value of a label.
    private static func counters<Label: CaseIterable & Hashable & RawRepresentable<String>>(
        _ name: String, help: String, by label: String, in registry: PrometheusRegistry
    ) -> [Label: PrometheusCounter] {
        let pairs = Label.allCases.map { value in
            let labels = [PrometheusLabel(label, value.rawValue)]
            return (value, registry.counter(name, help: help, labels: labels))
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    /// A gauge for each value of a label.
    private static func gauges<Label: CaseIterable & Hashable & RawRepresentable<String>>(
        _ name: String, help: String, by label: String, in registry: PrometheusRegistry
    ) -> [Label: PrometheusGauge] {
        let pairs = Label.allCases.map { value in
            let labels = [PrometheusLabel(label, value.rawValue)]
            return (value, registry.gauge(name, help: help, labels: labels))
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    private static func requests(
        in registry: PrometheusRegistry
    ) -> [String: [String: PrometheusCounter]] {
        var counters: [String: [String: PrometheusCounter]] = [:]
        for operation in operations {
            for result in results {
                counters[operation, default: [:]][result] = registry.counter(
                    "ledger_etcd_requests_total",
                    help: "Requests to etcd by operation and by what their answer means.",
                    labels: [
                        PrometheusLabel("operation", operation),
                        PrometheusLabel("result", result),
                    ])
            }
        }
        return counters
    }

    private static func requestSeconds(
        in registry: PrometheusRegistry
    ) -> [String: PrometheusHistogram] {
        var histograms: [String: PrometheusHistogram] = [:]
        for operation in operations {
            histograms[operation] = registry.histogram(
                "ledger_etcd_request_seconds", help: "Seconds that requests to etcd took.",
                labels: [PrometheusLabel("operation", operation)], bounds: requestBounds)
        }
        return histograms
    }

    private func registerConnections() {
        let states: [(String, @Sendable (Connections) -> Int)] = [
            ("active", { $0.active }), ("idle", { $0.idle }),
        ]
        for (state, value) in states {
            registry.sampled(
                "ledger_etcd_connections", .gauge, help: "Connections to etcd by state.",
                labels: [PrometheusLabel("state", state)]
            ) { [weak self] in
                guard let source = self?.connections.withLock({ $0 }) else { return 0 }
                return Double(value(source()))
            }
        }
    }
}

extension Replica.Load {
    fileprivate func lookUps(_ kind: LookUpLabel) -> (running: Int, waiting: Int) {
        switch kind {
        case .duplicates: lookUps
        case .forwards: searches
        }
    }
}
