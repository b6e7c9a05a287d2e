package import LedgerCore
package import LedgerStore
package import Logging
import Synchronization

/// Compares the ledger with the fence that was recorded in the store, with the signed checkpoint there, and with what is
/// known outside it.
///
/// A store that was set back to an older state is one whole ledger by itself: nothing in it shows that events are
/// missing. What shows it is what others have seen.
package final class PastChecker: Sendable {
    static let timeout = Duration.seconds(2)

    let store: LedgerStore
    private let keys: [NoteVerifier]
    private let logger: Logger
    private let gather: @Sendable () async -> [OutsideRecord]
    private let stored = Mutex<LedgerStore.StoredFence?>(nil)

    /// - Parameters:
    ///   - keys: of this ledger; a checkpoint in the store that one of them has signed counts.
    ///   - gather: asks all others what they have seen, for a bounded time (`OutsideSources`): the first event waits for
    ///     it. Who cannot be asked is left out.
    package init(
        store: LedgerStore, keys: [NoteVerifier], logger: Logger,
        gather: @escaping @Sendable () async -> [OutsideRecord] = { [] }
    ) {
        self.store = store
        self.keys = keys
        self.logger = logger
        self.gather = gather
    }

    /// What an operator has decided about an earlier fence, as it was read last.
    package var decision: FenceRecord? {
        stored.withLock { $0?.reason == nil ? $0?.record : nil }
    }

    /// Compares what was read before anything is sealed on it.
    ///
    /// - Parameters:
    ///   - fence: the key `fence`, read together with the ledger's head.
    ///   - tree: of the ledger that was read.
    /// - Throws: where the store cannot be read: nothing may be sealed before it was.
    package func checkStart(
        _ ledger: LedgerState, fence: LedgerStore.StoredFence?, tree: any LedgerTree
    ) async throws(LedgerStoreError) -> LedgerInconsistency? {
        stored.withLock { $0 = fence }
        if let reason = fence?.reason { return .fenced(reason) }
        let signed = try await signedCheckpoint()
        let records = [signed].compactMap { $0 } + (await gather())
        return await contradiction(of: ledger.head, tree: tree, records: records)
    }

    /// What others have seen beside the signed checkpoint in the store.
    func outsideRecords() async throws(LedgerStoreError) -> [OutsideRecord] {
        let signed = try await signedCheckpoint()
        return [signed].compactMap { $0 } + (await gather())
    }

    /// What contradicts a ledger with this head.
    func contradiction(
        of head: Head, tree: any LedgerTree, records: [OutsideRecord]
    ) async -> LedgerInconsistency? {
        let comparison = PastComparison(
            await withoutNewer(records, than: head), decision: decision)
        let found = await comparison.contradictions(of: head) { try? await tree.root(size: $0) }
        return found.first.map { .contradicted(by: $0, found: head.sequence) }
    }

    func readFence() async throws(LedgerStoreError) -> LedgerStore.StoredFence? {
        let fence = try await store.fence(timeout: Self.timeout)
        stored.withLock { $0 = fence }
        return fence
    }

    // MARK: Private

    /// The stored checkpoint, where this ledger's key has signed it.
    private func signedCheckpoint() async throws(LedgerStoreError) -> OutsideRecord? {
        guard let stored = try await store.checkpoint(timeout: Self.timeout),
            let published = try? PublishedCheckpoint(stored), published.isSigned(byOneOf: keys)
        else { return nil }
        return published.record
    }

    /// Events are sealed while others are asked, so that they may have seen more than a head that was read before: what
    /// the store has by now is no contradiction.
    private func withoutNewer(
        _ records: [OutsideRecord], than head: Head
    ) async -> [OutsideRecord] {
        let isAbove = { (record: OutsideRecord) in
            !record.isContradicted && record.size > head.tree.size
        }
        guard records.contains(where: isAbove) else { return records }
        guard let newest = try? await store.observe(timeout: Self.timeout).observation.head
        else { return records.filter { !isAbove($0) } }
        return records.filter { !isAbove($0) || $0.size > newest.tree.size }
    }
}

extension PublishedCheckpoint {
    /// As what has been seen of the ledger.
    var record: OutsideRecord {
        OutsideRecord(
            source: OutsideRecord.storedCheckpoint, size: checkpoint.size, root: checkpoint.root)
    }
}
