import LedgerAPI
import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import Logging
import PrometheusExposition
import ServiceLifecycle
import SwiftProtobuf

/// Wires what lets others check the ledger without trusting it: its tree, its checkpoints, and the comparison with what
/// is known outside the store.
struct Transparency {
    let tree: TreeReader
    let checkpointer: Checkpointer
    /// Its end is the service's end.
    let fence: FenceKeeper
    /// Which stored checkpoint is believed by whoever verifies.
    let trust: CheckpointTrust
    /// nil where it is off.
    let audit: Audit?
    private let witnesses: [any Service]

    /// What exists before the replica does, for it asks before it seals anything.
    struct Past {
        let checker: PastChecker
        private let store: LedgerStore

        init(
            configuration: ServiceConfiguration, store: LedgerStore, outside: Outside,
            archive: Archive?, logger: Logger
        ) {
            self.store = store
            checker = PastChecker(
                store: store,
                keys: configuration.ledgerKeys,
                logger: logger,
                gather: OutsideSources(
                    outside.sources + (archive.map { [$0.source] } ?? []), logger: logger
                ).records)
        }

        /// Compares a ledger that was read, before anything is sealed on it.
        var check: ReplicaEnvironment.PastCheck {
            { [checker, store] (ledger, fence) async throws(LedgerStoreError) in
                let tiles = ledger.tiles
                return try await checker.checkStart(
                    ledger, fence: fence,
                    tree: TreeReader(store: store.urgent, tree: { tiles }, cacheBytes: 0))
            }
        }
    }

    init(
        configuration: ServiceConfiguration, past: Past, outside: Outside, replica: Replica,
        store: LedgerStore, clock: any ReplicaClock, metrics: LedgerMetrics, logger: Logger
    ) {
        let tree = TreeReader(store: store, tree: { replica.tree })
        self.tree = tree
        outside.prove(with: tree)
        witnesses = outside.services
        let checkpointer = Checkpointer(
            settings: .init(
                origin: configuration.origin, signers: configuration.signers,
                formerKeys: configuration.formerKeys),
            replica: replica, store: store, tree: tree, clock: clock, logger: logger,
            cosigning: outside.cosigning, decision: { past.checker.decision })
        self.checkpointer = checkpointer
        fence = FenceKeeper(
            replica: replica, past: past.checker, tree: tree, clock: clock,
            interval: Nanoseconds(configuration.outsideCheckInterval), logger: logger,
            own: { [checkpointer.record].compactMap { $0 } })
        metrics.observe(checkpointer)
        trust = CheckpointTrust(
            origin: configuration.origin,
            verifiers: configuration.ledgerKeys,
            decision: { past.checker.decision })
        let rate = configuration.auditEventsPerSecond
        audit =
            rate == 0
            ? nil
            : Audit(
                AuditSettings(
                    eventsPerSecond: rate, interval: Nanoseconds(configuration.auditInterval)),
                store: store.asStored, trust: trust, clock: clock, logger: logger,
                known: { replica.knownObservation?.head },
                onFinding: { _ in metrics.findings.increment() })
        metrics.observe(audit)
    }

    /// What is not well with checkpoints; nothing where all is.
    var dependencies: [Ledger_DependencyHealth] {
        guard let why = checkpointer.status.blocked else { return [] }
        return [
            .with {
                $0.name = "checkpoints"
                // Events are sealed and read without them.
                $0.isCritical = false
                $0.status = .degraded
                $0.message =
                    "the stored checkpoint was not written by this ledger: \(why). None is put until somebody has "
                    + "looked into it and deleted the key checkpoint"
                $0.error = "foreign_checkpoint"
            }
        ]
    }

    /// All but the fence.
    var services: [any Service] { witnesses + [checkpointer] + (audit.map { [$0] } ?? []) }
}
