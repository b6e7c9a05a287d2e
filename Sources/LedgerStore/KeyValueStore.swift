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
}

extension EtcdClient: KeyValueStore {}
