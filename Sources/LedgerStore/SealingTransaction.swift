import EtcdGateway
package import LedgerCore

/// The transaction of one proposal, encoded once, so that it can be sent again byte for byte.
package struct SealingTransaction: Sendable {
    /// The `id` of the proposal.
    package let proposal: UInt64
    let encoded: EtcdEncodedTransaction
}

extension LedgerTransactions {
    /// Encodes the transaction that seals a proposal.
    package func encode(_ proposal: Proposal) -> SealingTransaction {
        SealingTransaction(
            proposal: proposal.id, encoded: EtcdEncodedTransaction(sealing(proposal)))
    }
}
