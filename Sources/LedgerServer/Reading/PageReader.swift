import LedgerCore
package import LedgerStore

/// Reads pages of stored blocks for listings; equal reads at the same time are one.
package final class PageReader: Sendable {
    /// A page, and what its reading taught about the sizes of blocks.
    struct Page: Sendable {
        var blocks: [StoredBlock]
        var sizer: PageSizer
    }

    private struct Key: Hashable, Sendable {
        var first: SequenceNumber
        var last: SequenceNumber
        var sizer: PageSizer
    }

    private let store: LedgerStore
    private let reading = SharedReads<Key, Page, LedgerRPCError>(cancelled: .readCancelled)

    package init(store: LedgerStore) {
        self.store = store
    }

    /// The blocks from the one that begins at `first`, as many as a page has: from a member's own copy, and only when
    /// that lacks the first one from the quorum.
    func page(
        from first: SequenceNumber, through last: SequenceNumber, sizer: PageSizer
    ) async throws(LedgerRPCError) -> Page {
        let key = Key(first: first, last: last, sizer: sizer)
        return try await reading.value(for: key) { [self] in
            do throws(LedgerStoreError) {
                return .success(try await read(key))
            } catch {
                return .failure(error.asRPCError)
            }
        }
    }

    private func read(_ key: Key) async throws(LedgerStoreError) -> Page {
        do throws(LedgerStoreError) {
            let own = try await read(key, serializable: true)
            if own.blocks.first?.first == key.first { return own }
        } catch {
            if error.isFinal { throw error }
        }
        return try await read(key, serializable: false)
    }

    private func read(_ key: Key, serializable: Bool) async throws(LedgerStoreError) -> Page {
        var pages = BlockPages(
            store, from: key.first, through: key.last, serializable: serializable,
            sizer: key.sizer)
        let blocks = try await pages.nextPage()
        return Page(blocks: blocks, sizer: pages.sizer)
    }
}
