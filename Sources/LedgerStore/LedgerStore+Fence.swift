import EtcdGateway
package import LedgerCore

/// The key `fence` (protocol.md 12).
extension LedgerStore {
    /// What the key says, and since which revision.
    package struct StoredFence: Hashable, Sendable {
        /// Nil where the key holds what this version does not understand.
        package let record: FenceRecord?
        package let revision: Revision

        /// Why nothing is sealed; nil where an operator has decided.
        package var reason: String? {
            switch record?.state {
            case .fenced(let reason): reason
            case .accepted: nil
            case nil: "the key fence holds what this version does not understand"
            }
        }
    }

    /// Reads the key linearizably; nil where there is none.
    package func fence(
        timeout: Duration? = nil
    ) async throws(LedgerStoreError) -> StoredFence? {
        let response = try await perform(
            EtcdTransaction(success: [.range(EtcdRangeRequest(key: keys.fence))]),
            timeout: timeout)
        guard let found = response.range(0) else {
            throw .inconsistent(.malformed("an answer without the fence"))
        }
        return Self.fence(found)
    }

    static func fence(_ range: EtcdRangeResponse?) -> StoredFence? {
        range?.kvs.first.map {
            StoredFence(
                record: try? FenceRecord(decodingJSON: $0.value),
                revision: Revision(rawValue: $0.modRevision))
        }
    }

    /// Puts the key, if it still has the revision that was read, and the counter too where one is named.
    ///
    /// - Returns: where it was put; nil where a comparison failed.
    package func putFence(
        _ record: FenceRecord, replacing revision: Revision, counter: Revision? = nil,
        timeout: Duration? = nil
    ) async throws(LedgerStoreError) -> Revision? {
        var compares: [EtcdCompare] = [.modRevision(key: keys.fence, equals: revision.rawValue)]
        if let counter {
            compares.append(.modRevision(key: keys.counter, equals: counter.rawValue))
        }
        let response = try await perform(
            EtcdTransaction(
                compares: compares,
                success: [.put(key: keys.fence, value: record.encodedJSON())], failure: []),
            timeout: timeout)
        return response.succeeded ? Revision(rawValue: response.header.revision) : nil
    }
}
