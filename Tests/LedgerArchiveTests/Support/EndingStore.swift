import EtcdGateway
import LedgerStore
import Synchronization

/// An etcd of which nothing is heard any more after so many writes: the last one was applied.
final class EndingStore: KeyValueStore {
    private let inner: any KeyValueStore
    private let writesLeft: Mutex<Int>

    init(_ inner: any KeyValueStore, afterWrites count: Int) {
        self.inner = inner
        writesLeft = Mutex(count)
    }

    private static let silence = EtcdError(
        failureClass: .unknown, code: .timeout, message: "nothing is heard")

    private func pass(isWrite: Bool = false) throws(EtcdError) {
        let mayPass = writesLeft.withLock { left in
            if isWrite { left -= 1 }
            return left >= 0
        }
        if !mayPass { throw Self.silence }
    }

    func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse {
        try pass()
        return try await inner.range(request, options: options)
    }

    func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        let isWrite = transaction.success.contains { if case .range = $0 { false } else { true } }
        try pass(isWrite: isWrite)
        return try await inner.transaction(transaction, options: options)
    }

    func transaction(
        encoded: EtcdEncodedTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse { throw Self.silence }

    func grantLease(
        ttlSeconds: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdLease { throw Self.silence }

    func keepAliveLease(
        _ id: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> Int64? { throw Self.silence }

    func revokeLease(_ id: Int64, options: EtcdRequestOptions) async throws(EtcdError) {
        throw Self.silence
    }
}
