package import LedgerCore
package import LedgerReplica
package import LedgerStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Compares the ledger with what is known of it outside the store, at start and every minute, and makes a fence outlive
/// the process that found it (protocol.md 12).
///
/// A store that was set back to an older state is one whole ledger by itself: nothing in it shows that events are
/// missing. What shows it is what others have seen: witnesses, a checkpoint kept elsewhere, this replica since it started.
package final class FenceKeeper: Service {
    /// How often the ledger is compared.
    package static let interval = Nanoseconds.milliseconds(60_000)
    /// How often it is looked whether there is a fence, and while there is one, whether an operator has decided.
    private static let lookInterval = Nanoseconds.milliseconds(1_000)
    /// How long the comparison before the first event may take: those who do not answer are asked again every minute.
    private static let startLimit = Duration.seconds(3)
    private static let timeout = Duration.seconds(2)

    private struct State {
        /// What the key said last; nil: nothing, or not read yet.
        var stored: LedgerStore.StoredFence?
        /// The key's revision when this replica had recorded its own fence; what is decided later ends it.
        var recordedAt: Revision?
        var isDecided = false
    }

    private let replica: Replica
    private let store: LedgerStore
    private let tree: any LedgerTree
    private let clock: any ReplicaClock
    private let logger: Logger
    private let gather: @Sendable () async -> [OutsideRecord]
    private let state: Mutex<State>

    /// - Parameter gather: asks all others what they have seen; who cannot be asked is left out.
    package init(
        replica: Replica, store: LedgerStore, tree: any LedgerTree, clock: any ReplicaClock,
        logger: Logger, gather: @escaping @Sendable () async -> [OutsideRecord]
    ) {
        self.replica = replica
        self.store = store
        self.tree = tree
        self.clock = clock
        self.logger = logger
        self.gather = gather
        state = Mutex(State())
    }

    /// Whether an operator has decided, and the ledger is to be read anew.
    package var isDecided: Bool { state.withLock { $0.isDecided } }

    /// What an operator has decided about an earlier fence.
    package var decision: FenceRecord? { state.withLock { $0.stored?.record } }

    /// Compares what was read before anything is sealed on it.
    ///
    /// - Parameter tree: of the ledger that was read.
    package func checkStart(
        _ ledger: LedgerState, tree: any LedgerTree
    ) async -> LedgerInconsistency? {
        let limit = Self.startLimit
        let found = await withTaskGroup(of: LedgerInconsistency??.self) { group in
            group.addTask { .some(await self.contradiction(of: ledger.head, tree: tree)) }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        guard let found else {
            logger.warning("the ledger was not compared with outside records in time")
            return nil
        }
        return found
    }

    /// Compares every minute until the service stops, or an operator has decided.
    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.work() }
    }

    private func work() async {
        var compared = clock.now
        while !Task.isCancelled {
            guard (try? await clock.sleep(for: Self.lookInterval)) != nil else { return }
            if let fence = replica.fence {
                guard fence.needsDecision else { continue }
                await keep(fence)
                if isDecided { return }
            } else if clock.now - compared >= Self.interval, replica.coveredNumber != nil {
                compared = clock.now
                await compare()
            }
        }
    }

    // MARK: Comparing

    private func compare() async {
        guard let now = try? await replica.heads.observe().head else { return }
        await replica.waitUntilCovered(now.sequence, within: .milliseconds(2_000))
        guard let head = replica.knownObservation?.head, head.sequence >= now.sequence else {
            return
        }
        if let found = await contradiction(of: head, tree: tree) {
            replica.contradicted(by: found)
        }
    }

    /// What contradicts a ledger with this head: a recorded fence, or what somebody outside has seen.
    private func contradiction(
        of head: Head, tree: any LedgerTree
    ) async -> LedgerInconsistency? {
        do {
            let stored = try await store.fence(timeout: Self.timeout)
            state.withLock { $0.stored = stored }
            if let stored, let reason = stored.reason { return .fenced(reason) }
            let comparison = PastComparison(await gather(), decision: stored?.record)
            let found = try await comparison.contradictions(of: head) {
                try await tree.root(size: $0)
            }
            return found.first.map { .contradicted(by: $0, found: head.sequence) }
        } catch {
            logger.debug(
                "the ledger was not compared with outside records", metadata: ["error": "\(error)"])
            return nil
        }
    }

    // MARK: Keeping a fence

    /// Records a fence in the store, or looks whether an operator has decided about it.
    private func keep(_ fence: LedgerInconsistency) async {
        do {
            let stored = try await store.fence(timeout: Self.timeout)
            if let recordedAt = state.withLock({ $0.recordedAt }) {
                guard let stored, stored.revision != recordedAt else { return }
                decided(stored)
            } else if let stored, stored.reason != nil {
                state.withLock { $0.recordedAt = stored.revision }
            } else {
                try await record(fence, replacing: stored)
            }
        } catch {
            logger.debug("the fence was not recorded yet", metadata: ["error": "\(error)"])
        }
    }

    private func decided(_ stored: LedgerStore.StoredFence) {
        if stored.reason != nil {
            // Another replica has recorded its own.
            state.withLock { $0.recordedAt = stored.revision }
            return
        }
        logger.notice("an operator has decided about the fence: the ledger is read anew")
        state.withLock { $0.isDecided = true }
    }

    private func record(
        _ fence: LedgerInconsistency, replacing stored: LedgerStore.StoredFence?
    ) async throws {
        var records: [OutsideRecord] = []
        if case .contradicted(let record, _) = fence { records.append(record) }
        // All that an operator would have to give up, not the first alone.
        if let head = replica.knownObservation?.head {
            let others = PastComparison(await gather(), decision: stored?.record)
            let found = try? await others.contradictions(of: head) {
                try await tree.root(size: $0)
            }
            for record in found ?? [] where !records.contains(record) { records.append(record) }
        }
        // Those that were given up before stay so.
        records += (stored?.record?.records ?? []).filter { !records.contains($0) }
        let isPut = try await store.putFence(
            FenceRecord(.fenced(reason: "\(fence)"), records: records),
            replacing: stored?.revision ?? .absent, timeout: Self.timeout)
        guard isPut else { return }
        logger.critical(
            "sealing has stopped until an operator decides: look into it, then run ledgerctl unfence",
            metadata: ["reason": "\(fence)"])
    }
}

extension LedgerStore.StoredFence {
    /// Why nothing is sealed; nil where an operator has decided.
    fileprivate var reason: String? {
        switch record?.state {
        case .fenced(let reason): reason
        case .accepted: nil
        case nil: "the key fence holds what this version does not understand"
        }
    }
}

extension LedgerInconsistency {
    /// Whether sealing goes on only after an operator's decision.
    fileprivate var needsDecision: Bool {
        switch self {
        case .unknownFormat: false
        case .missingBlock, .brokenChain, .doesNotLeadToHead, .malformed, .rolledBack,
            .contradicted, .fenced:
            true
        }
    }
}
