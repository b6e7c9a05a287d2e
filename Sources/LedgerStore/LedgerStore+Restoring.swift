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
        for attempt in 0..<Self.restoringAttempts {
            if attempt > 0 { try? await Task.sleep(for: .milliseconds(200 << attempt)) }
            do throws(EtcdError) {
                let response = try await store.transaction(
                    transaction, options: EtcdRequestOptions(timeout: .seconds(10)))
                if response.succeeded { return try await observed(step) }
            } catch {
                last = error
            }
            // Its answer was lost, or it came after an earlier transmission of itself: reading tells.
            let now = try await observe().observation
            if now.head == step.head { return now }
            guard now.revision == base.revision, now.headBytes == base.headBytes else {
                throw .inconsistent(.rolledBack(known: step.head.sequence, found: now.head.sequence))
            }
        }
        throw last.map { .unavailable($0) } ?? LedgerStoreError(.unavailable)
    }

    private func observed(
        _ step: LedgerRestoration.Step
    ) async throws(LedgerStoreError) -> LedgerObservation {
        let now = try await observe().observation
        guard now.head == step.head else {
            throw .inconsistent(.rolledBack(known: step.head.sequence, found: now.head.sequence))
        }
        return now
    }

    /// Puts tiles of a ledger that has yet to begin.
    ///
    /// - Returns: false where a ledger is there.
    package func restore(_ tiles: [Tile]) async throws(LedgerStoreError) -> Bool {
        try await perform(transactions.restoring(tiles), timeout: .seconds(10)).succeeded
    }
}
