import TextFormats

extension EtcdClient {
    /// Reads keys: linearizably, unless the request says that the member's own copy will do.
    package func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions = .init()
    ) async throws(EtcdError) -> EtcdRangeResponse {
        try await answer(.range, RequestEncoding.range(request), options) {
            decoding, body throws(JSONFailure) in try decoding.range(body)
        }
    }

    /// Sends a transaction, once; one that only reads may be asked of further members like any read.
    ///
    /// - Throws: An error whose `failureClass` says what is known of the transaction. `corrupt`
    ///   (a 200 that could not be read) must be resolved like `unknown`.
    package func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions = .init()
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        try await self.transaction(encoded: EtcdEncodedTransaction(transaction), options: options)
    }

    /// Sends a transaction that was encoded before, once; the same bytes may be sent again.
    ///
    /// - Throws: An error whose `failureClass` says what is known of this transmission. `corrupt`
    ///   (a 200 that could not be read) must be resolved like `unknown`.
    package func transaction(
        encoded: EtcdEncodedTransaction, options: EtcdRequestOptions = .init()
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        let successKinds = encoded.transaction.success.map(\.kind)
        let failureKinds = encoded.transaction.failure.map(\.kind)
        let kinds = successKinds + failureKinds
        let operation: EtcdCall.Operation =
            kinds.allSatisfy { $0 == .range } ? .readingTransaction : .transaction
        return try await answer(operation, encoded.body, options) {
            decoding, body throws(JSONFailure) in
            try decoding.transaction(
                body, successKinds: successKinds, failureKinds: failureKinds)
        }
    }
}
