package import LedgerCore
package import LedgerStore
package import Logging
import Synchronization

/// Compares the ledger with the fence that was recorded in the store and with what is known outside it.
///
/// A store that was set back to an older state is one whole ledger by itself: nothing in it shows that events are
/// missing. What shows it is what others have seen.
package final class PastChecker: Sendable {
    /// How long the comparison before the first event may take: those who do not answer are asked again every minute.
    package static let startLimit = Duration.seconds(3)
    static let timeout = Duration.seconds(2)

    let store: LedgerStore
    private let logger: Logger
    private let gather: @Sendable () async -> [OutsideRecord]
    private let stored = Mutex<LedgerStore.StoredFence?>(nil)

    /// - Parameter gather: asks all others what they have seen; who cannot be asked is left out.
    package init(
        store: LedgerStore, logger: Logger,
        gather: @escaping @Sendable () async -> [OutsideRecord] = { [] }
    ) {
        self.store = store
        self.logger = logger
        self.gather = gather
    }

    /// What an operator has decided about an earlier fence, as it was read last.
    package var decision: FenceRecord? {
        stored.withLock { $0?.reason == nil ? $0?.record : nil }
    }

    /// Compares what was read before anything is sealed on it, for `startLimit` at most.
    ///
    /// - Parameter tree: of the ledger that was read.
    package func checkStart(
        _ ledger: LedgerState, tree: any LedgerTree
    ) async -> LedgerInconsistency? {
        let found = await withTaskGroup(of: LedgerInconsistency??.self) { group in
            group.addTask { .some(await self.contradiction(of: ledger.head, tree: tree)) }
            group.addTask {
                try? await Task.sleep(for: Self.startLimit)
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

    /// What contradicts a ledger with this head: a recorded fence, or what somebody outside has seen.
    func contradiction(
        of head: Head, tree: any LedgerTree, own: [OutsideRecord] = []
    ) async -> LedgerInconsistency? {
        do {
            let fence = try await readFence()
            if let reason = fence?.reason { return .fenced(reason) }
            let found = try await contradictions(of: head, tree: tree, own: own)
            return found.first.map { .contradicted(by: $0, found: head.sequence) }
        } catch {
            logger.debug(
                "the ledger was not compared with outside records", metadata: ["error": "\(error)"])
            return nil
        }
    }

    /// All that contradicts a ledger with this head, and was not given up.
    func contradictions(
        of head: Head, tree: any LedgerTree, own: [OutsideRecord]
    ) async throws -> [OutsideRecord] {
        let comparison = PastComparison(
            try await gathered(beside: head) + own, decision: decision)
        return try await comparison.contradictions(of: head) { try await tree.root(size: $0) }
    }

    /// What others have seen. Events are sealed while they are asked, so that they may have seen more than a head that
    /// was read before: what the store has by now is no contradiction.
    private func gathered(
        beside head: Head
    ) async throws(LedgerStoreError) -> [OutsideRecord] {
        let records = await gather()
        let isAbove = { (record: OutsideRecord) in
            !record.isContradicted && record.size > head.tree.size
        }
        guard records.contains(where: isAbove) else { return records }
        let newest = try await store.observe(timeout: Self.timeout).observation.head
        return records.filter { !isAbove($0) || $0.size > newest.tree.size }
    }

    /// The revision at which a fence stood that no operator had decided about, as it was read last.
    var fencedAt: Revision? {
        stored.withLock { $0?.reason == nil ? nil : $0?.revision }
    }

    func readFence() async throws(LedgerStoreError) -> LedgerStore.StoredFence? {
        let fence = try await store.fence(timeout: Self.timeout)
        stored.withLock { $0 = fence }
        return fence
    }
}

extension LedgerStore.StoredFence {
    /// Why nothing is sealed; nil where an operator has decided.
    var reason: String? {
        switch record?.state {
        case .fenced(let reason): reason
        case .accepted: nil
        case nil: "the key fence holds what this version does not understand"
        }
    }
}
