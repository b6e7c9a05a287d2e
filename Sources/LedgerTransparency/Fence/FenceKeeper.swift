package import LedgerCore
package import LedgerReplica
import LedgerStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Compares the ledger with outside records every minute, and makes a fence outlive the process that found it
/// (protocol.md 12).
package final class FenceKeeper: Service {
    /// How often the ledger is compared.
    package static let interval = Nanoseconds.milliseconds(60_000)
    /// How often it is looked whether there is a fence, and while there is one, whether an operator has decided.
    private static let lookInterval = Nanoseconds.milliseconds(1_000)

    private struct State {
        /// The key's revision when a fence stood there; what is decided later ends it.
        var recordedAt: Revision?
        var isDecided = false
    }

    private let replica: Replica
    private let past: PastChecker
    private let tree: any LedgerTree
    private let clock: any ReplicaClock
    private let logger: Logger
    private let own: @Sendable () -> [OutsideRecord]
    private let state = Mutex(State())

    /// - Parameter own: what this replica has seen itself since it started.
    package init(
        replica: Replica, past: PastChecker, tree: any LedgerTree, clock: any ReplicaClock,
        logger: Logger, own: @escaping @Sendable () -> [OutsideRecord]
    ) {
        self.replica = replica
        self.past = past
        self.tree = tree
        self.clock = clock
        self.logger = logger
        self.own = own
    }

    /// Whether an operator has decided, and the ledger is to be read anew.
    package var isDecided: Bool { state.withLock { $0.isDecided } }

    /// Compares until the service stops, or an operator has decided.
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

    private func compare() async {
        guard let now = try? await replica.heads.observe().head else { return }
        await replica.waitUntilCovered(now.sequence, within: .milliseconds(2_000))
        // What was seen before the head was read is in it.
        let own = own()
        guard let head = replica.knownObservation?.head, head.sequence >= now.sequence else {
            return
        }
        if let found = await past.contradiction(of: head, tree: tree, own: own) {
            replica.contradicted(by: found)
        }
    }

    // MARK: Keeping a fence

    /// Records a fence in the store, or looks whether an operator has decided about it.
    private func keep(_ fence: LedgerInconsistency) async {
        do {
            // One that was found before this looked for the first time counts as well.
            if let fencedAt = past.fencedAt { state.withLock { $0.recordedAt = fencedAt } }
            let stored = try await past.readFence()
            if let stored, stored.reason != nil {
                state.withLock { $0.recordedAt = stored.revision }
            } else if let recordedAt = state.withLock({ $0.recordedAt }) {
                // Taken away by hand, it is recorded again: only a decision ends it.
                guard let stored, stored.revision != recordedAt else {
                    return try await record(fence, replacing: stored)
                }
                logger.notice("an operator has decided about the fence: the ledger is read anew")
                state.withLock { $0.isDecided = true }
            } else {
                try await record(fence, replacing: stored)
            }
        } catch {
            logger.debug("the fence was not recorded yet", metadata: ["error": "\(error)"])
        }
    }

    private func record(
        _ fence: LedgerInconsistency, replacing stored: LedgerStore.StoredFence?
    ) async throws {
        var records: [OutsideRecord] = []
        if case .contradicted(let record, _) = fence { records.append(record) }
        // All that an operator would have to give up, not the first alone.
        if let head = replica.knownObservation?.head,
            let found = try? await past.contradictions(of: head, tree: tree, own: [])
        {
            records += found.filter { !records.contains($0) }
        }
        // What was given up before stays so.
        records += (stored?.record?.records ?? []).filter { !records.contains($0) }
        let recordedAt = try await past.store.putFence(
            FenceRecord(.fenced(reason: "\(fence)"), records: records),
            replacing: stored?.revision ?? .absent, timeout: PastChecker.timeout)
        guard let recordedAt else { return }
        state.withLock { $0.recordedAt = recordedAt }
        logger.critical(
            "sealing has stopped until an operator decides: look into it, then run ledgerctl unfence",
            metadata: ["reason": "\(fence)"])
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
