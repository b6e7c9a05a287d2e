package import LedgerCore

/// Roots and proofs of a ledger's tree, at any size up to the number that is covered.
package protocol LedgerTree: Sendable {
    /// - Parameter size: at least 1.
    func root(size: UInt64) async throws(TreeError) -> Digest

    /// - Parameter first: at least 1, and at most `second`.
    func consistencyPath(
        from first: UInt64, to second: UInt64
    ) async throws(TreeError) -> [Digest]
}

extension TreeReader: LedgerTree {}
