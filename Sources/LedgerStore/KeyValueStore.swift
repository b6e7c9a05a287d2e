package import EtcdGateway

/// What the ledger needs of etcd. `EtcdClient` is one implementation, the simulated store of the tests the other.
package protocol KeyValueStore: Sendable {
    /// Reads keys in ascending order.
    func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse

    /// Performs a transaction once.
    func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse

    /// Performs a transaction once that was encoded before, and may be performed again.
    func transaction(
        encoded: EtcdEncodedTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse

    /// Gets a lease that lasts for so many seconds at least.
    func grantLease(
        ttlSeconds: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdLease

    /// Renews a lease; nil where it has ended.
    func keepAliveLease(
        _ id: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> Int64?

    /// Ends a lease, and with it the keys that are bound to it.
    func revokeLease(_ id: Int64, options: EtcdRequestOptions) async throws(EtcdError)
}

extension EtcdClient: KeyValueStore {}
