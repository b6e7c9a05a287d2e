import EtcdGateway
package import LedgerCore

/// Restoring events that this store has lost (protocol.md 27).
extension LedgerStore {
    /// So often a transaction is sent whose answer does not come.
    private static let restoringAttempts = 5

    /// Puts again what was sealed, and returns counter and head as they are then.
    ///
    /// - Throws: `inconsistent` where the ledger is no longer the one that is continued: somebody else writes.
    package func restore(
        _ step: LedgerRestoration.Step, on base: LedgerObservation,
        beginning: TrimmedBeginning? = nil
    ) async throws(LedgerStoreError) -> LedgerObservation {
        let transaction = transactions.restoring(step, on: base, beginning: beginning)
        var last: EtcdError?
        var isRefused = false
        for attempt in 0..<Self.restoringAttempts {
            if attempt > 0 { try? await Task.sleep(for: .milliseconds(200 << attempt)) }
            do throws(EtcdError) {
                let response = try await store.transaction(
                    transaction, options: EtcdRequestOptions(timeout: .seconds(10)))
                isRefused = !response.succeeded
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
            if isRefused {
                throw .inconsistent(
                    .malformed(
                        "beyond number \(base.head.sequence) keys exist that are to be restored"))
            }
        }
        throw last.map { .unavailable($0) } ?? LedgerStoreError(.unavailable)
    }

    /// Puts tiles of a ledger that has yet to begin.
    ///
    /// - Returns: false where a ledger is there.
    package func restore(_ tiles: [Tile]) async throws(LedgerStoreError) -> Bool {
        try await perform(transactions.restoring(tiles), timeout: .seconds(10)).succeeded
    }
}
