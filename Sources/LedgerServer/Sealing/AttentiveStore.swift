import EtcdGateway
import LedgerStore

/// etcd's keys, asked of members that answer: while a member keeps a transmission of a sealing transaction, nothing is
/// read through it either, if there is another one (PROTOCOL.md 15).
struct AttentiveStore: KeyValueStore {
    let client: EtcdClient
    let members: EtcdMembers

    func range(
        _ request: EtcdRangeRequest, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse {
        try await client.range(request, options: avoiding(options))
    }

    func transaction(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdTransactionResponse {
        try await client.transaction(transaction, options: avoiding(options))
    }

    private func avoiding(_ options: EtcdRequestOptions) -> EtcdRequestOptions {
        var options = options
        options.avoiding.formUnion(members.avoided)
        return options
    }
}
