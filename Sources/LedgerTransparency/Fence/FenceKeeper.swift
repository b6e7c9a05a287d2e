package import LedgerCore
package import LedgerReplica
import LedgerStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Compares the ledger with outside records again and again, and makes a fence outlive the process that found it
/// (protocol.md 12).
package final class FenceKeeper: Service {
    /// How often it is looked whether there is a fence, and while there is one, whether an operator has decided.
    private static let lookInterval = Nanoseconds.milliseconds(100)
    private static let decisionInterval = Nanoseconds.milliseconds(1_000)

    private struct State {
        /// The key's revision when a fence stood there that this replica knows of; a decision that comes later ends it.
        var recordedAt: Revision?
        var isDecided = false
        var failureIsTold = false
    }

    private let replica: Replica
    private let past: PastChecker
    private let tree: any LedgerTree
    private let clock: any ReplicaClock
    private let interval: Nanoseconds
    private let logger: Logger
    private let own: @Sendable () -> [OutsideRecord]
    private let state = Mutex(State())

    /// - Parameters:
    ///   - interval: between two comparisons (`LEDGER_OUTSIDE_CHECK_INTERVAL`).
    ///   - own: what this replica has seen itself since it started.
    package init(
        replica: Replica, past: PastChecker, tree: any LedgerTree, clock: any ReplicaClock,
        interval: Nanoseconds, logger: Logger, own: @escaping @Sendable () -> [OutsideRecord]
    ) {
        self.replica = replica
        self.past = past
        self.tree = tree
        self.clock = clock
        self.interval = interval
        self.logger = logger
        self.own = own
    }

    /// Whether an operator has decided, and the ledger is to be read anew.
    package var isDecided: Bool { state.withLock { $0.isDecided } }

    /// Compares until the service stops, or an operator has decided.
    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.work() }
        // A fence that fell a moment ago must not end with the process.
        if let fence = replica.fence, fence.reason.needsDecision, !isDecided {
            await keep(fence.reason, since: fence.keyRevision)
        }
    }

    private func work() async {
        var compared = clock.now
        while !Task.isCancelled {
            let fence = replica.fence
            let pause = fence == nil ? Self.lookInterval : Self.decisionInterval
            if let fence, fence.reason.needsDecision {
                await keep(fence.reason, since: fence.keyRevision)
                if isDecided { return }
            } else if fence == nil, clock.now - compared >= interval,
                replica.coveredNumber != nil
            {
                await compare()
                compared = clock.now
            }
            guard (try? await clock.sleep(for: pause)) != nil else { return }
        }
    }

    private func compare() async {
        do {
            // What was seen before the head is read is in it.
            let records = try await past.outsideRecords() + own()
            let now = try await replica.heads.observe().head
            await replica.waitUntilCovered(now.sequence, within: .milliseconds(2_000))
            guard let head = replica.knownObservation?.head, head.sequence >= now.sequence else {
                return
            }
            if let found = await past.contradiction(of: head, tree: tree, records: records) {
                replica.contradicted(by: found)
            }
        } catch {
            logger.debug(
                "the ledger was not compared with outside records", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Keeping a fence

    /// Records a fence in the store, or looks whether an operator has decided about it.
    ///
    /// - Parameter baseline: the revision that the key had when this replica was fenced.
    private func keep(_ fence: LedgerInconsistency, since baseline: Revision) async {
        do {
            let stored = try await past.readFence()
            if let stored, stored.reason != nil {
                state.withLock { $0.recordedAt = stored.revision }
                return
            }
            let known = state.withLock { $0.recordedAt } ?? baseline
            if let stored, stored.revision != known {
                logger.notice("an operator has decided about the fence: the ledger is read anew")
                state.withLock { $0.isDecided = true }
            } else {
                // Taken away by hand, it is recorded again: only a decision ends it.
                try await record(fence, replacing: stored)
            }
        } catch {
            let isNew = state.withLock { state in
                defer { state.failureIsTold = true }
                return !state.failureIsTold
            }
            guard isNew else { return }
            logger.error(
                "the fence cannot be recorded yet: until it is, a restart would end it",
                metadata: ["error": "\(error)"])
        }
    }

    private func record(
        _ fence: LedgerInconsistency, replacing stored: LedgerStore.StoredFence?
    ) async throws {
        var records: [OutsideRecord] = []
        if case .contradicted(let record, _) = fence { records.append(record) }
        // All that an operator would have to give up, not the first alone: what others have seen of more than there is.
        let others = try await past.outsideRecords()
        let end = try? await past.store.observe(timeout: PastChecker.timeout).observation.head
        let lost = others.filter { $0.isContradicted || $0.size > end?.tree.size ?? 0 }
        // What was given up before stays so.
        for record in lost + (stored?.record?.records ?? []) where !records.contains(record) {
            records.append(record)
        }
        let recordedAt = try await past.store.putFence(
            FenceRecord(.fenced(reason: "\(fence)"), records: records),
            replacing: stored?.revision ?? .absent, timeout: PastChecker.timeout)
        guard let recordedAt else { return }
        state.withLock { $0.recordedAt = recordedAt }
        let remedy =
            fence.archiveHasMore
            ? "stop all replicas and run ledgerctl archive recover"
            : "look into it, then run ledgerctl unfence"
        logger.critical(
            "sealing has stopped until an operator decides: \(remedy)",
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
