import EtcdGateway
package import LedgerCore

/// Restoring events that this store has lost (protocol.md 27).
extension LedgerStore {
    /// So often a transaction is sent whose answer does not come.
    private static let restoringAttempts = 5

    /// Puts again what was sealed, and returns counter and head as they are then.
    ///
    /// Tiles may be there already, put before the ledger began by a recovery that was ended then: the very same ones are
    /// left where they are.
    ///
    /// - Throws: `inconsistent` where the ledger is no longer the one that is continued: somebody else writes.
    package func restore(
        _ step: LedgerRestoration.Step, on base: LedgerObservation,
        beginning: TrimmedBeginning? = nil
    ) async throws(LedgerStoreError) -> LedgerObservation {
        var present: Set<TileID> = []
        var last: EtcdError?
        for attempt in 0..<Self.restoringAttempts {
            if last != nil { try? await Task.sleep(for: .milliseconds(200 << attempt)) }
            var isRefused = false
            do throws(EtcdError) {
                let response = try await store.transaction(
                    transactions.restoring(step, on: base, beginning: beginning, over: present),
                    options: EtcdRequestOptions(timeout: .seconds(10)))
                isRefused = !response.succeeded
                last = nil
            } catch {
                last = error
            }
            // Whatever its answer was, or whether it was lost: reading tells, and has the new revision.
            let now = try await observe().observation
            if now.head == step.head { return now }
            guard now.revision == base.revision, now.headBytes == base.headBytes else {
                throw .inconsistent(
                    .rolledBack(known: step.head.sequence, found: now.head.sequence))
            }
            guard isRefused else { continue }
            let found = try await presentTiles(of: step)
            guard !found.isEmpty, found != present else {
                throw .inconsistent(
                    .malformed(
                        "beyond number \(base.head.sequence) keys exist that are to be restored"))
            }
            present = found
        }
        throw last.map { .unavailable($0) } ?? LedgerStoreError(.unavailable)
    }

    /// Which of a step's tiles etcd has with the very same bytes.
    private func presentTiles(
        of step: LedgerRestoration.Step
    ) async throws(LedgerStoreError) -> Set<TileID> {
        guard !step.tiles.isEmpty else { return [] }
        let response = try await perform(
            EtcdTransaction(
                success: step.tiles.map { .range(EtcdRangeRequest(key: keys.tile($0.id))) }),
            timeout: .seconds(10))
        var present: Set<TileID> = []
        for (place, tile) in step.tiles.enumerated()
        where response.range(place)?.kvs.first?.value == tile.bytes {
            present.insert(tile.id)
        }
        return present
    }

    /// Puts tiles of a ledger that has yet to begin.
    ///
    /// - Returns: false where a ledger is there.
    package func restore(_ tiles: [Tile]) async throws(LedgerStoreError) -> Bool {
        try await perform(transactions.restoring(tiles), timeout: .seconds(10)).succeeded
    }
}
