package import EtcdGateway
package import LedgerCore

/// Walks through stored blocks page by page, with pages as large as an answer may be.
///
/// A block has between 100 bytes and 1 MiB, so the number of blocks in a page follows the largest one seen; a
/// page that turns out too large is asked for again in small pieces.
package struct BlockPages: Sendable {
    private static let pageBytes = 4 << 20
    private static let safeLimit = 4
    private static let largestLimit = 2_048

    private let store: LedgerStore
    private let through: SequenceNumber
    private let serializable: Bool
    private var next: SequenceNumber
    private var limit: Int

    /// - Parameters:
    ///   - from: the number at which the first block begins.
    ///   - through: blocks that begin beyond this number are not read.
    ///   - limit: the blocks of the first page; later ones follow the sizes seen.
    package init(
        _ store: LedgerStore, from: SequenceNumber, through: SequenceNumber,
        serializable: Bool = false, limit: Int = 16
    ) {
        self.limit = limit
        self.store = store
        self.through = through
        self.serializable = serializable
        next = from
    }

    /// The next blocks, or an empty array when there are none.
    package mutating func nextPage(
        options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        guard next <= through else { return [] }
        let page: [StoredBlock]
        do throws(LedgerStoreError) {
            page = try await read(limit, options: options)
        } catch {
            guard error.cause?.code == .tooLarge, limit > Self.safeLimit else { throw error }
            limit = Self.safeLimit
            page = try await read(limit, options: options)
        }
        guard let last = page.last else {
            next = through.next
            return []
        }
        next = last.first.next
        let largest = page.map(\.bytes.count).max() ?? 1
        limit = min(max(Self.pageBytes / max(1, largest), Self.safeLimit), Self.largestLimit)
        return page
    }

    private func read(
        _ limit: Int, options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        try await store.blocks(
            from: next, through: through, limit: limit, serializable: serializable,
            options: options)
    }
}
