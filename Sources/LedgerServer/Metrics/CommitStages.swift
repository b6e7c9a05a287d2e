package import PrometheusExposition

/// Where the time of a commit goes: `ledger_commit_stage_seconds`. The whole is `ledger_commit_seconds`; what the two
/// stages do not explain is work of this process.
package struct CommitStages: Sendable {
    /// Of each event: from its receipt until it is put into a batch.
    package let queue: PrometheusHistogram
    /// Of each transaction that etcd answered as applied: from when it was sent.
    package let commit: PrometheusHistogram

    package init(registry: PrometheusRegistry) {
        func stage(_ name: String) -> PrometheusHistogram {
            registry.histogram(
                "ledger_commit_stage_seconds",
                help: "Seconds that a stage of commits took: queue, of each event until its batch; "
                    + "commit, of each transaction until etcd's answer.",
                labels: [PrometheusLabel("stage", name)], bounds: LedgerMetrics.commitBounds)
        }
        queue = stage("queue")
        commit = stage("commit")
    }
}
