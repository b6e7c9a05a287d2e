import EtcdGateway
import LedgerStore
import TestSupport

/// A store of which nothing is ever heard.
struct StoreWithoutAnswer: KeyValueStore {
    private let silence = EtcdSamples.unreachable()

    func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse { throw silence }

    func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse { throw silence }

    func transaction(
        encoded: EtcdEncodedTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse { throw silence }

    func grantLease(
        ttlSeconds: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdLease { throw silence }

    func keepAliveLease(
        _ id: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> Int64? { throw silence }

    func revokeLease(_ id: Int64, options: EtcdRequestOptions) async throws(EtcdError) {
        throw silence
    }
}
