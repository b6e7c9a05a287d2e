import EtcdGateway
import LedgerStore

/// What is asked of etcd.
enum EtcdQuestion: Sendable {
    case range(EtcdRangeRequest)
    case transaction(EtcdTransaction)
    /// A transaction that seals, and may be sent again.
    case sealing(EtcdTransaction)
    case grant(ttlSeconds: Int64)
    case renew(Int64)
    case revoke(Int64)
}

/// What it answers.
enum EtcdAnswer: Sendable {
    case range(EtcdRangeResponse)
    case transaction(EtcdTransactionResponse)
    case lease(EtcdLease)
    /// For so many seconds; nil where the lease has ended.
    case renewed(Int64?)
    case revoked
}

/// A way to a simulated etcd: all of `KeyValueStore` goes through one door.
protocol EtcdAccess: KeyValueStore {
    func ask(
        _ question: EtcdQuestion, _ options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdAnswer
}

extension EtcdAccess {
    func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse {
        guard case .range(let response) = try await ask(.range(request), options) else {
            preconditionFailure("another answer")
        }
        return response
    }

    func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        try await response(to: .transaction(transaction), options)
    }

    func transaction(
        encoded: EtcdEncodedTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        try await response(to: .sealing(encoded.transaction), options)
    }

    private func response(
        to question: EtcdQuestion, _ options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        guard case .transaction(let response) = try await ask(question, options) else {
            preconditionFailure("another answer")
        }
        return response
    }

    func grantLease(
        ttlSeconds: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdLease {
        guard case .lease(let lease) = try await ask(.grant(ttlSeconds: ttlSeconds), options)
        else { preconditionFailure("another answer") }
        return lease
    }

    func keepAliveLease(
        _ id: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> Int64? {
        guard case .renewed(let left) = try await ask(.renew(id), options) else {
            preconditionFailure("another answer")
        }
        return left
    }

    func revokeLease(_ id: Int64, options: EtcdRequestOptions) async throws(EtcdError) {
        _ = try await ask(.revoke(id), options)
    }
}

extension SimulatedEtcd {
    /// Answers without delay and without fault, except that a key is put only under a lease that there is.
    func answer(_ question: EtcdQuestion) -> Result<EtcdAnswer, EtcdError> {
        switch question {
        case .range(let request): return .success(.range(range(request)))
        case .transaction(let transaction), .sealing(let transaction):
            for case .put(_, _, let lease) in transaction.success
            where lease != 0 && !hasLease(lease) {
                return .failure(
                    EtcdError(
                        failureClass: .rejected, code: .notFound, message: "no such lease"))
            }
            return .success(.transaction(apply(transaction)))
        case .grant(let seconds): return .success(.lease(grantLease(ttlSeconds: seconds)))
        case .renew(let lease): return .success(.renewed(renewLease(lease)))
        case .revoke(let lease):
            revokeLease(lease)
            return .success(.revoked)
        }
    }
}

extension SimulatedEtcd: EtcdAccess {
    func ask(
        _ question: EtcdQuestion, _ options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdAnswer {
        try answer(question).get()
    }
}
