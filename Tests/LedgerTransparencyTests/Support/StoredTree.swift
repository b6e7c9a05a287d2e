import EtcdGateway
import LedgerCore
import LedgerStore
import Synchronization

/// A tree whose full tiles lie in a store, of which every read is noted.
final class StoredTree: Sendable {
    private struct State {
        var edge = TileStack()
        var values: [[UInt8]: [UInt8]] = [:]
        var reads = 0
        var isSilent = false
    }

    private let state = Mutex(State())
    private let keys = LedgerKeys(prefix: "ledger/")

    /// The right edge, as a replica knows it.
    var edge: TileStack {
        get { state.withLock { $0.edge } }
        set { state.withLock { $0.edge = newValue } }
    }

    var store: LedgerStore { LedgerStore(store: TileStore(tree: self), keys: keys) }

    /// How many reads there were.
    var reads: Int { state.withLock { $0.reads } }

    /// Whether no read is answered.
    var isSilent: Bool {
        get { state.withLock { $0.isSilent } }
        set { state.withLock { $0.isSilent = newValue } }
    }

    /// The stored bytes of a tile.
    subscript(id: TileID) -> [UInt8]? {
        get { state.withLock { $0.values[keys.tile(id)] } }
        set { state.withLock { $0.values[keys.tile(id)] = newValue } }
    }

    func append(_ leaves: some Sequence<Digest>) {
        state.withLock { state in
            for leaf in leaves {
                for tile in state.edge.append(leaf) {
                    state.values[keys.tile(tile.id)] = tile.bytes
                }
            }
        }
    }

    fileprivate func read(_ request: EtcdRangeRequest) throws(EtcdError) -> EtcdRangeResponse {
        let (isSilent, value) = state.withLock { state in
            state.reads += 1
            return (state.isSilent, state.values[request.key])
        }
        if isSilent {
            throw EtcdError(failureClass: .notSent, code: .connect, message: "nobody is there")
        }
        let pairs = value.map {
            [
                EtcdKeyValue(
                    key: request.key, value: $0, createRevision: 1, modRevision: 1, version: 1,
                    lease: 0)
            ]
        }
        return EtcdRangeResponse(kvs: pairs ?? [], more: false, count: Int64(pairs?.count ?? 0))
    }
}

/// Answers reads of single keys, and nothing else.
private struct TileStore: KeyValueStore {
    let tree: StoredTree

    private var refusal: EtcdError {
        EtcdError(failureClass: .rejected, code: .invalidArgument, message: "only reads")
    }

    func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse { try tree.read(request) }

    func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        var responses: [EtcdOperationResponse] = []
        for operation in transaction.success {
            guard case .range(let request) = operation, transaction.compares.isEmpty else {
                throw refusal
            }
            responses.append(.range(try tree.read(request)))
        }
        let header = EtcdResponseHeader(
            clusterID: 1, memberID: 1, revision: 1, raftTerm: 1, date: nil,
            endpoint: EtcdEndpoint(scheme: .https, host: "127.0.0.1", port: 2379))
        return EtcdTransactionResponse(header: header, succeeded: true, responses: responses)
    }

    func transaction(
        encoded: EtcdEncodedTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse { throw refusal }

    func grantLease(
        ttlSeconds: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdLease { throw refusal }

    func keepAliveLease(
        _ id: Int64, options: EtcdRequestOptions
    ) async throws(EtcdError) -> Int64? { throw refusal }

    func revokeLease(_ id: Int64, options: EtcdRequestOptions) async throws(EtcdError) {
        throw refusal
    }
}
