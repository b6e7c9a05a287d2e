import EtcdGateway
package import LedgerCore

/// The key `checkpoint`: the newest signed checkpoint, put by compare-and-swap (protocol.md 25).
extension LedgerStore {
    /// The key's bytes, whatever they are, and the revision at which they were put.
    package struct StoredCheckpoint: Hashable, Sendable {
        package let bytes: [UInt8]
        package let revision: Revision

        package init(bytes: [UInt8], revision: Revision) {
            self.bytes = bytes
            self.revision = revision
        }
    }

    /// Reads the key linearizably; nil where there is none.
    package func checkpoint(
        timeout: Duration? = nil
    ) async throws(LedgerStoreError) -> StoredCheckpoint? {
        let response = try await perform(
            EtcdTransaction(success: [
                .range(
                    EtcdRangeRequest(key: keys.checkpoint, serializable: source != nil))
            ]), timeout: timeout)
        guard let found = response.range(0) else {
            throw .inconsistent(.malformed("an answer without the checkpoint"))
        }
        return Self.storedCheckpoint(found)
    }

    /// How putting a checkpoint ended.
    package enum CheckpointPutting: Hashable, Sendable {
        case put(Revision)
        /// Another one was put meanwhile; nil: it was deleted.
        case superseded(StoredCheckpoint?)
        /// Nothing is known: it may have been put, now or a little later. Reading the key tells.
        case unknown
        /// It was certainly not put.
        case refused
    }

    /// Puts a checkpoint, if the key still has the revision that was read; `absent` where there was none.
    package func putCheckpoint(
        _ bytes: [UInt8], replacing revision: Revision, timeout: Duration
    ) async -> CheckpointPutting {
        let transaction = EtcdTransaction(
            compares: [.modRevision(key: keys.checkpoint, equals: revision.rawValue)],
            success: [.put(key: keys.checkpoint, value: bytes)],
            failure: [.range(EtcdRangeRequest(key: keys.checkpoint))])
        do throws(EtcdError) {
            let response = try await store.transaction(transaction, options: attentive(timeout))
            if response.succeeded { return .put(Revision(rawValue: response.header.revision)) }
            guard let found = response.range(0) else { return .unknown }
            return .superseded(Self.storedCheckpoint(found))
        } catch {
            switch error.failureClass {
            case .notSent, .rejected: return .refused
            case .unknown, .corrupt: return .unknown
            }
        }
    }

    static func storedCheckpoint(_ range: EtcdRangeResponse) -> StoredCheckpoint? {
        range.kvs.first.map {
            StoredCheckpoint(bytes: $0.value, revision: Revision(rawValue: $0.modRevision))
        }
    }
}
