/// A transaction as the bytes that are sent, so that it can be sent again byte for byte.
package struct EtcdEncodedTransaction: Sendable {
    /// The request's body.
    let body: [UInt8]
    /// What was encoded.
    package let transaction: EtcdTransaction

    package init(_ transaction: EtcdTransaction) {
        body = RequestEncoding.transaction(transaction)
        self.transaction = transaction
    }

    /// The length of the body in bytes: about 4/3 of the keys and values, and their names.
    package var byteCount: Int { body.count }
}
