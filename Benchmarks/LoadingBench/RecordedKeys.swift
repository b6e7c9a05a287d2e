internal import EtcdGateway
internal import LedgerCore
internal import LedgerStore

/// The two keys of etcd that say what is in the archive; no other one is asked for.
struct RecordedKeys: KeyValueStore {
    private let values: [[UInt8]: [UInt8]]

    init(_ recorded: SegmentsDigest, location: String) throws {
        let keys = LedgerKeys(prefix: "ledger/")
        let size = SequenceNumber(recorded.count * UInt64(IdSegment.width))
        let record = try ArchiveRecord(location: location, through: size, trimmed: size)
        values = [
            keys.archive: record.encodedJSON(), keys.archivedIds: recorded.encodedJSON(),
        ]
    }

    func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse {
        range(request)
    }

    func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        let responses = transaction.success.map { operation -> EtcdOperationResponse in
            guard case .range(let request) = operation else { preconditionFailure("only reads") }
            return .range(range(request))
        }
        return EtcdTransactionResponse(header: Self.header, succeeded: true, responses: responses)
    }

    func transaction(
        encoded: EtcdEncodedTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        throw Self.refusal
    }

    func grantLease(
        ttlSeconds: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdLease { throw Self.refusal }

    func keepAliveLease(
        _ id: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> Int64? { throw Self.refusal }

    func revokeLease(_ id: Int64, options: EtcdRequestOptions) async throws(EtcdError) {
        throw Self.refusal
    }

    private func range(_ request: EtcdRangeRequest) -> EtcdRangeResponse {
        let pairs = values[request.key].map {
            [
                EtcdKeyValue(
                    key: request.key, value: $0, createRevision: 1, modRevision: 1, version: 1,
                    lease: 0)
            ]
        }
        return EtcdRangeResponse(
            header: Self.header, kvs: pairs ?? [], more: false, count: Int64(pairs?.count ?? 0))
    }

    private static var header: EtcdResponseHeader {
        EtcdResponseHeader(
            clusterID: 1, memberID: 1, revision: 1, raftTerm: 1, date: nil,
            endpoint: EtcdEndpoint(scheme: .https, host: "127.0.0.1", port: 2379))
    }

    private static var refusal: EtcdError {
        EtcdError(failureClass: .notSent, code: .cancelled, message: "nothing is written here")
    }
}
