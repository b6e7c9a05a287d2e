/// A transaction's answer, read whole and checked against the transaction's own operations.
package struct EtcdTransactionResponse: Hashable, Sendable {
    package var header: EtcdResponseHeader
    /// Whether all comparisons held, so that the operations of `success` were done.
    package var succeeded: Bool
    /// One for each operation of the branch that was taken, in its order.
    package var responses: [EtcdOperationResponse]

    package init(
        header: EtcdResponseHeader, succeeded: Bool, responses: [EtcdOperationResponse]
    ) {
        self.header = header
        self.succeeded = succeeded
        self.responses = responses
    }
}

/// The answer to one operation of a transaction.
package enum EtcdOperationResponse: Hashable, Sendable {
    case put
    case range(EtcdRangeResponse)
    /// How many keys were deleted.
    case delete(Int64)
}
