import EtcdGateway

/// The way to etcd for reads of much: few at a time over the whole replica, and on connections of their own, so that
/// neither a large answer nor a slow one delays a sealing transaction, an observation or a lease.
package struct BulkReads: Sendable {
    /// What a read asks for.
    enum Kind: Sendable {
        /// Many keys.
        case page
        /// One block, of at most 1 MiB, or one tile.
        case block
    }

    private let store: any KeyValueStore
    /// For pages.
    package let pages: Places
    /// For single blocks and tiles.
    package let blocks: Places

    /// - Parameters:
    ///   - store: a client with connections of its own.
    ///   - maxPages: pages that are read at a time (`LEDGER_MAX_BULK_READS`); one more for who catches up.
    ///   - maxBlocks: single blocks and tiles that are read at a time (`LEDGER_MAX_BLOCK_READS`).
    ///   - maxWaiting: reads of each kind that wait for their turn (`LEDGER_MAX_WAITING_READS`).
    ///   - longestWait: how long each of them may wait.
    package init(
        store: any KeyValueStore, maxPages: Int = 2, maxBlocks: Int = 16, maxWaiting: Int = 4_096,
        longestWait: Duration = .seconds(5)
    ) {
        self.store = store
        pages = Places(
            count: maxPages, reserved: 1, maxWaiting: maxWaiting, longestWait: longestWait)
        blocks = Places(count: maxBlocks, maxWaiting: maxWaiting, longestWait: longestWait)
    }

    func range(
        _ request: EtcdRangeRequest, _ kind: Kind, _ priority: Places.Priority,
        options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdRangeResponse {
        let places =
            switch kind {
            case .page: pages
            case .block: blocks
            }
        return try await places.withPlace(priority, refused: Self.error) {
            () async throws(EtcdError) in
            try await store.range(request, options: options)
        }
    }

    private static func error(_ refusal: Places.Refusal) -> EtcdError {
        switch refusal {
        case .tooManyWait:
            EtcdError(failureClass: .notSent, code: .busy, message: "too many reads wait already")
        case .tookTooLong:
            EtcdError(
                failureClass: .notSent, code: .busy, message: "the read's turn did not come in time"
            )
        case .cancelled:
            EtcdError(
                failureClass: .notSent, code: .cancelled, message: "the read was cancelled")
        }
    }
}
