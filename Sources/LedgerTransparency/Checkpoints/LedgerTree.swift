package import LedgerCore

/// Roots and proofs of a ledger's tree, at any size up to the number that is covered.
package protocol LedgerTree: Sendable {
    /// - Parameter size: at least 1.
    /// - Throws: where the tree cannot be read, or what is stored is none.
    func root(size: UInt64) async throws -> Digest

    /// - Parameter from: at least 1, and at most `to`.
    /// - Throws: where the tree cannot be read, or what is stored is none.
    func consistencyPath(from: UInt64, to: UInt64) async throws -> [Digest]
}
