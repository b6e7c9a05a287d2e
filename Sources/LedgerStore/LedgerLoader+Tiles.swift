package import LedgerCore

/// Reading the right edge of the tree (protocol.md 11).
extension LedgerLoader {
    /// - Returns: the tree's edge, and the first leaf hashes that were appended to a known one.
    func loadTiles(
        size: UInt64, from known: TileStack?, tail: [Digest]
    ) async throws(LedgerStoreError) -> (TileStack, [Digest]) {
        if var tiles = known {
            var firstLeaves: [Digest] = []
            let width = UInt64(TileID.width)
            var next = tiles.size / width
            let end = size / width
            var sizer = PageSizer(unitBytes: Tile.byteCount)
            while next < end {
                let page = try await self.tiles(level: 0, from: next, end: end, &sizer)
                guard !page.isEmpty else { throw missingTile(level: 0, next) }
                for tile in page {
                    let skipped = Int(tiles.size - tile.index * width)
                    let leaves = tile.hashes.dropFirst(skipped)
                    for leaf in leaves { _ = tiles.append(leaf) }
                    if firstLeaves.count < Block.maxEntries { firstLeaves += leaves }
                }
                next += UInt64(page.count)
            }
            let missing = tail.suffix(Int(size - tiles.size))
            for leaf in missing { _ = tiles.append(leaf) }
            if firstLeaves.count < Block.maxEntries { firstLeaves += missing }
            return (tiles, firstLeaves)
        }
        return (try await tileStack(size: size, tail: tail), [])
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
            try await store.asStored.tiles(level: level, from: first, end: end, limit: limit)
        }
    }

    private func missingTile(level: Int, _ index: UInt64) -> LedgerStoreError {
        .inconsistent(.malformed("tile \(level)/\(index) is missing"))
    }

    /// Whether some of the tiles that loading reads have left etcd.
    func readsTiles(size: UInt64, known: TileStack?, below trimmed: SequenceNumber) -> Bool {
        if let known { return known.size < trimmed.rawValue }
        return TileStack.tilesToLoad(size: size).contains { tile in
            let shift = UInt64(TileID.height * (tile.level + 1))
            return shift < 64 && tile.index < trimmed.rawValue >> shift
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
