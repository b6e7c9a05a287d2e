/// A transaction as the bytes that are sent, so that it can be sent again byte for byte.
package struct EtcdEncodedTransaction: Sendable {
    /// The request's body.
    let body: [UInt8]
    /// What the answer must hold when the comparisons held.
    let successKinds: [EtcdOperationKind]
    /// What the answer must hold when they did not.
    let failureKinds: [EtcdOperationKind]

    package init(_ transaction: EtcdTransaction) {
        body = RequestEncoding.transaction(transaction)
        successKinds = transaction.success.map(\.kind)
        failureKinds = transaction.failure.map(\.kind)
    }

    /// The length of the body in bytes: about 4/3 of the keys and values, and their names.
    package var byteCount: Int { body.count }
}
