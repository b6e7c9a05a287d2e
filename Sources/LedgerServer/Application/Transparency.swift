import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import Logging
import PrometheusExposition
import ServiceLifecycle

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

    /// What exists before the replica does, for it asks before it seals anything.
    struct Past {
        let checker: PastChecker
        private let store: LedgerStore

        init(configuration: ServiceConfiguration, store: LedgerStore, logger: Logger) {
            self.store = store
            checker = PastChecker(
                store: store,
                keys: configuration.signers.map(\.verifier) + configuration.formerKeys,
                logger: logger)
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
        configuration: ServiceConfiguration, past: Past, replica: Replica, store: LedgerStore,
        clock: any ReplicaClock, metrics: LedgerMetrics, logger: Logger
    ) {
        let tree = TreeReader(store: store, tree: { replica.tree })
        self.tree = tree
        let checkpointer = Checkpointer(
            settings: .init(
                origin: configuration.origin, signers: configuration.signers,
                formerKeys: configuration.formerKeys),
            replica: replica, store: store, tree: tree, clock: clock, logger: logger,
            decision: { past.checker.decision })
        self.checkpointer = checkpointer
        fence = FenceKeeper(
            replica: replica, past: past.checker, tree: tree, clock: clock,
            interval: Nanoseconds(configuration.outsideCheckInterval), logger: logger,
            own: { [checkpointer.record].compactMap { $0 } })
        metrics.observe(checkpointer)
        trust = CheckpointTrust(
            origin: configuration.origin,
            verifiers: configuration.signers.map(\.verifier) + configuration.formerKeys,
            decision: { past.checker.decision })
        let rate = configuration.auditEventsPerSecond
        audit =
            rate == 0
            ? nil
            : Audit(
                AuditSettings(
                    eventsPerSecond: rate, interval: Nanoseconds(configuration.auditInterval)),
                store: store, trust: trust, clock: clock, logger: logger,
                known: { replica.knownObservation?.head },
                onFinding: { _ in metrics.findings.increment() })
        metrics.observe(audit)
    }

    /// All but the fence.
    var services: [any Service] { [checkpointer] + (audit.map { [$0] } ?? []) }
}
