package import LedgerCore

/// Reads what a replica must know before it may seal, when it starts and when it has fallen behind
/// (design.md, "Starting"; protocol.md 10, 11 and 23).
package struct LedgerLoader: Sendable {
    private let store: LedgerStore

    package init(_ store: LedgerStore) {
        self.store = store
    }

    /// Reads the blocks after a number up to an observed head, decoded and hashed.
    ///
    /// - Parameter seen: called with each block that is sound in itself.
    package func blocks(
        after known: SequenceNumber, upTo observation: LedgerObservation,
        seen: (StoredBlock, BlockDigest) -> Void = { _, _ in }
    ) async throws(LedgerStoreError) -> [BlockDigest] {
        var pages = BlockPages(
            store, from: known.next, through: observation.head.sequence)
        var digests: [BlockDigest] = []
        while true {
            let page = try await pages.nextPage()
            if page.isEmpty { return digests }
            for block in page {
                let digest = try digest(block)
                digests.append(digest)
                seen(block, digest)
            }
        }
    }

    /// Reads the block that begins right after a number that ends one.
    package func block(
        after known: SequenceNumber
    ) async throws(LedgerStoreError) -> BlockDigest {
        let first = known.next
        guard let bytes = try await store.block(first: first) else {
            throw .inconsistent(.missingBlock(first))
        }
        return try digest(StoredBlock(first: first, bytes: bytes))
    }

    /// Reads the ledger up to an observed head.
    ///
    /// - Parameters:
    ///   - known: a state to go on from; nil reads everything.
    ///   - indexSeed: of the id index that is made where everything is read; a random number.
    ///   - progress: called with the number of events that the index covers so far.
    package func load(
        upTo observation: LedgerObservation, from known: LedgerState? = nil,
        indexSeed: UInt64, progress: @Sendable (UInt64) -> Void = { _ in }
    ) async throws(LedgerStoreError) -> LedgerState {
        let size = observation.head.sequence.rawValue
        var index = known?.index ?? IdIndex(seed: indexSeed, expectedCount: size)
        try await loadSegments(into: &index, size: size, progress: progress)
        // The newest segment's last block can reach beyond the segment: begin with it, not after it.
        let tailStart = try tailStart(in: index, covered: SequenceNumber(index.count))
        var pages = BlockPages(
            store, from: tailStart, through: observation.head.sequence)
        var leaves: [Digest] = []
        var firstLeaf = tailStart.rawValue
        var lastEventHash: EventHash?
        var next = tailStart
        let firstLooseLeaf = size / UInt64(TileID.width) * UInt64(TileID.width) + 1
        while true {
            let page = try await pages.nextPage()
            if page.isEmpty { break }
            for stored in page {
                let block = try digest(stored)
                guard block.first == next else { throw .inconsistent(.missingBlock(next)) }
                guard lastEventHash == nil || block.previousHash == lastEventHash else {
                    throw .inconsistent(.brokenChain(block.first))
                }
                try append(block, to: &index)
                leaves += block.leaves
                lastEventHash = block.lastEventHash
                next = block.last.next
            }
            // Only the leaves that no full tile holds are needed.
            let surplus = Int(
                min(UInt64(leaves.count), firstLooseLeaf - min(firstLooseLeaf, firstLeaf)))
            leaves.removeFirst(surplus)
            firstLeaf += UInt64(surplus)
            progress(index.count)
        }
        let tiles = try await loadTiles(size: size, from: known?.tiles, tail: leaves)
        do throws(LedgerInconsistency) {
            return try LedgerState(
                observation: observation, index: index, tiles: tiles,
                lastEventHash: lastEventHash)
        } catch {
            throw .inconsistent(error)
        }
    }

    /// Where the block begins that holds the last number that the index covers: it can reach beyond.
    private func tailStart(
        in index: IdIndex, covered: SequenceNumber
    ) throws(LedgerStoreError) -> SequenceNumber {
        if covered == .zero { return .first }
        guard let start = index.blockStart(containing: covered) else {
            throw .inconsistent(
                .malformed("the ids segments show no block that holds number \(covered)"))
        }
        return start
    }

    private func append(
        _ block: BlockDigest, to index: inout IdIndex
    ) throws(LedgerStoreError) {
        guard index.hasRoom(for: block.fingerprints.count) else {
            throw .inconsistent(.malformed(IdIndex.isFull.message))
        }
        for (offset, fingerprint) in block.fingerprints.enumerated()
        where block.first.rawValue + UInt64(offset) > index.count {
            index.append(fingerprint, startsBlock: offset == 0)
        }
    }

    // MARK: Segments

    private func loadSegments(
        into index: inout IdIndex, size: UInt64, progress: @Sendable (UInt64) -> Void
    ) async throws(LedgerStoreError) {
        let width = UInt64(IdSegment.width)
        let end = size / width
        var next = index.count / width
        var sizer = PageSizer(unitBytes: IdSegment.byteCount)
        while next < end {
            let first = next
            let page = try await sizer.page(mostKeys: Int(end - first), bytes: \.bytes.count) {
                limit async throws(LedgerStoreError) in
                try await store.segments(from: first, end: end, limit: limit)
            }
            guard !page.isEmpty else { throw missingSegment(next) }
            for stored in page {
                guard stored.key == store.keys.ids(next) else { throw missingSegment(next) }
                do throws(FormatError) {
                    try append(IdSegment(number: next, decoding: stored.bytes), to: &index)
                } catch {
                    throw .inconsistent(.malformed("ids segment \(next): \(error.message)"))
                }
                next += 1
            }
            progress(index.count)
        }
    }

    /// Appends what an index that may end inside this segment lacks of it.
    private func append(_ segment: IdSegment, to index: inout IdIndex) throws(FormatError) {
        guard index.hasRoom(for: IdSegment.width) else {
            throw IdIndex.isFull
        }
        for position in index.openSegment.count..<IdSegment.width {
            index.append(
                segment.fingerprint(at: position), startsBlock: segment.startsBlock(at: position))
        }
    }

    private func missingSegment(_ number: UInt64) -> LedgerStoreError {
        .inconsistent(.malformed("ids segment \(number) is missing"))
    }

    // MARK: Tiles

    private func loadTiles(
        size: UInt64, from known: TileStack?, tail: [Digest]
    ) async throws(LedgerStoreError) -> TileStack {
        if var tiles = known {
            let width = UInt64(TileID.width)
            var next = tiles.size / width
            let end = size / width
            var sizer = PageSizer(unitBytes: Tile.byteCount)
            while next < end {
                let page = try await self.tiles(level: 0, from: next, end: end, &sizer)
                guard !page.isEmpty else { throw missingTile(level: 0, next) }
                for tile in page {
                    let skipped = Int(tiles.size - tile.index * width)
                    for leaf in tile.hashes.dropFirst(skipped) { _ = tiles.append(leaf) }
                }
                next += UInt64(page.count)
            }
            let missing = Int(size - tiles.size)
            for leaf in tail.suffix(missing) { _ = tiles.append(leaf) }
            return tiles
        }
        return try await tileStack(size: size, tail: tail)
    }

    /// Reads the edge of the tree: for each level the full tiles that are not yet under a full one.
    ///
    /// - Parameter tail: the hashes of the leaves after the last full tile.
    package func tileStack(
        size: UInt64, tail: [Digest]
    ) async throws(LedgerStoreError) -> TileStack {
        var loaded: [Tile] = []
        var sizer = PageSizer(unitBytes: Tile.byteCount)
        for run in TileRun.covering(TileStack.tilesToLoad(size: size)) {
            var next = run.first
            while next < run.end {
                let page = try await tiles(
                    level: run.level, from: next, end: run.end, &sizer)
                guard !page.isEmpty else { throw missingTile(level: run.level, next) }
                loaded += page
                next += UInt64(page.count)
            }
        }
        do throws(FormatError) {
            return try TileStack(size: size, tiles: loaded, tail: tail)
        } catch {
            throw .inconsistent(.malformed("tiles: \(error.message)"))
        }
    }

    private func tiles(
        level: Int, from first: UInt64, end: UInt64, _ sizer: inout PageSizer
    ) async throws(LedgerStoreError) -> [Tile] {
        try await sizer.page(mostKeys: Int(end - first), bytes: \.bytes.count) {
            limit async throws(LedgerStoreError) in
            try await store.tiles(level: level, from: first, end: end, limit: limit)
        }
    }

    private func missingTile(level: Int, _ index: UInt64) -> LedgerStoreError {
        .inconsistent(.malformed("tile \(level)/\(index) is missing"))
    }

    private func digest(_ block: StoredBlock) throws(LedgerStoreError) -> BlockDigest {
        do throws(FormatError) {
            return try BlockDigest(first: block.first, bytes: block.bytes)
        } catch {
            throw .inconsistent(
                .malformed("the block at number \(block.first): \(error.message)"))
        }
    }
}

/// Consecutive tiles of one level, which one range reads.
private struct TileRun {
    let level: Int
    let first: UInt64
    var end: UInt64

    static func covering(_ tiles: [TileID]) -> [TileRun] {
        var runs: [TileRun] = []
        for tile in tiles.sorted(by: { ($0.level, $0.index) < ($1.level, $1.index) }) {
            if let last = runs.last, last.level == tile.level, last.end == tile.index {
                runs[runs.count - 1].end += 1
            } else {
                runs.append(TileRun(level: tile.level, first: tile.index, end: tile.index + 1))
            }
        }
        return runs
    }
}
