package import LedgerCore

/// Walks through stored blocks page by page, with pages bounded by bytes.
///
/// A block has between 100 bytes and 1 MiB, and nothing tells before it is read. What is known is that an event has at
/// most 64 KiB and a block at most 1 MiB: so a page asks for at most 8 blocks, or for the blocks of at most 120 numbers,
/// which are never more than 9 MiB, whatever is stored.
package struct BlockPages: Sendable {
    /// So many blocks of any kind may be asked for.
    private static let mostBlocks = 8
    /// The blocks that begin at so many numbers may be asked for: events of 64 KiB, and 1 MiB for those of the last
    /// block that lie beyond.
    private static let mostNumbers: UInt64 = 120

    private let store: LedgerStore
    private var through: SequenceNumber
    private let serializable: Bool
    private var next: SequenceNumber
    /// Where the next block begins, if none is missing.
    private var expected: SequenceNumber
    package private(set) var sizer: PageSizer
    /// How many numbers a block had lately: what tells which of the two bounds allows more.
    private var numbersPerBlock: UInt64 = 1

    /// - Parameters:
    ///   - from: the number at which the first block begins.
    ///   - through: blocks that begin beyond this number are not read.
    ///   - sizer: what another walk has learned of these blocks' sizes.
    package init(
        _ store: LedgerStore, from: SequenceNumber, through: SequenceNumber,
        serializable: Bool = false, sizer: PageSizer = PageSizer()
    ) {
        self.sizer = sizer
        self.store = store
        self.through = through
        self.serializable = serializable
        next = from
        expected = from
    }

    /// Goes on to blocks that begin at or below a later number.
    package mutating func extend(through number: SequenceNumber) {
        through = max(through, number)
    }

    /// The next blocks, or an empty array when there are none.
    package mutating func nextPage() async throws(LedgerStoreError) -> [StoredBlock] {
        while next <= through {
            let bound = numberBound
            let page = try await readPage(through: bound ?? through)
            guard let first = page.first, let last = page.last else {
                guard let bound, bound < through else { break }
                // The last block reaches beyond so many numbers: any number of them is in few blocks.
                numbersPerBlock = Self.mostNumbers
                continue
            }
            next = last.first.next
            expected = last.next ?? next
            if page.count > 1 {
                numbersPerBlock = max(
                    1, first.first.distance(to: last.first) / UInt64(page.count - 1))
            }
            return page
        }
        next = through.next
        return []
    }

    /// Up to where the next page goes; nil where its number of blocks is bound enough.
    private var numberBound: SequenceNumber? {
        guard sizer.limit > Self.mostBlocks,
            Self.mostNumbers / numbersPerBlock > UInt64(Self.mostBlocks)
        else { return nil }
        return min(through, SequenceNumber(next.rawValue + Self.mostNumbers - 1))
    }

    private mutating func readPage(
        through bound: SequenceNumber
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        let (store, next, serializable) = (self.store, self.next, self.serializable)
        let expected = self.expected
        let mostKeys = numberBound == nil ? Self.mostBlocks : Int(Self.mostNumbers)
        return try await sizer.page(mostKeys: mostKeys, bytes: \.bytes.count) {
            limit async throws(LedgerStoreError) in
            try await store.blocks(
                from: next, through: bound, limit: min(limit, mostKeys),
                serializable: serializable, expected: expected)
        }
    }
}
