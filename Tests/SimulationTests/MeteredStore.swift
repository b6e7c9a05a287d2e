import EtcdGateway
import LedgerStore
import Synchronization

/// A store that notes what is read, and does not answer in time where that is much.
final class MeteredStore: KeyValueStore {
    struct Read: Sendable {
        var keys: Int
        var bytes: Int
        var answered: Bool
    }

    private let store: SimulatedEtcd
    private let bearableBytes: Int
    private let code: EtcdErrorCode
    private let noted = Mutex<[Read]>([])
    private let transactionCount = Atomic<Int>(0)

    init(
        _ store: SimulatedEtcd, bearableBytes: Int = .max, otherwise code: EtcdErrorCode = .timeout
    ) {
        self.store = store
        self.bearableBytes = bearableBytes
        self.code = code
    }

    var reads: [Read] { noted.withLock { $0 } }
    var transactions: Int { transactionCount.load(ordering: .relaxed) }

    func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse {
        let response = store.range(request)
        let bytes = response.kvs.reduce(0) { $0 + $1.value.count }
        let answers = bytes <= bearableBytes
        noted.withLock {
            $0.append(Read(keys: response.kvs.count, bytes: bytes, answered: answers))
        }
        guard answers else {
            throw EtcdError(failureClass: .unknown, code: code, message: "too much")
        }
        return response
    }

    func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        transactionCount.add(1, ordering: .relaxed)
        return store.apply(transaction)
    }

    func transaction(
        encoded: EtcdEncodedTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        try await transaction(encoded.transaction, options: options)
    }

    func grantLease(
        ttlSeconds: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdLease {
        store.grantLease(ttlSeconds: ttlSeconds)
    }

    func keepAliveLease(
        _ id: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> Int64? {
        store.renewLease(id)
    }

    func revokeLease(_ id: Int64, options: EtcdRequestOptions) async throws(EtcdError) {
        store.revokeLease(id)
    }
}
