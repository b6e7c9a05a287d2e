/// The right edge of the tree in tiles: for each level the hashes that no full tile holds yet, and
/// the frontier.
///
/// Appending a leaf tells which tiles it completes, so that the sealing transaction can put them.
package struct TileStack: Hashable, Sendable {
    /// The frontier of the tree over all leaves.
    package private(set) var frontier: MerkleFrontier

    /// For each level the hashes of its tile that is not full: fewer than 256.
    package private(set) var levels: [[Digest]]

    /// The stack of the empty tree.
    package init() {
        frontier = MerkleFrontier()
        levels = []
    }

    /// The number of leaves.
    package var size: UInt64 { frontier.size }

    /// Appends a leaf hash; returns the tiles that are now full, lowest level first.
    package mutating func append(_ leaf: Digest) -> [Tile] {
        var roots: [Digest] = []
        frontier.append(leaf) { height, root in
            if height.isMultiple(of: TileID.height) { roots.append(root) }
        }
        push(leaf, level: 0)
        guard !roots.isEmpty else { return [] }
        return roots.enumerated().map { level, root in
            let index = (size >> UInt64(TileID.height * (level + 1))) - 1
            let tile = Tile(id: TileID(level: level, index: index), hashes: levels[level])
            levels[level].removeAll(keepingCapacity: true)
            push(root, level: level + 1)
            return tile
        }
    }

    /// Whether a tile is full in this tree, so that it is stored.
    package func isFull(_ tile: TileID) -> Bool {
        tile.index < Self.hashCount(size: size, level: tile.level + 1)
    }

    private mutating func push(_ hash: Digest, level: Int) {
        if level == levels.count {
            levels.append([])
            levels[level].reserveCapacity(TileID.width)
        }
        levels[level].append(hash)
    }
}

// MARK: - Restoring

extension TileStack {
    /// The number of hashes at a level of a tree that its tile which is not full holds.
    static func pendingCount(size: UInt64, level: Int) -> Int {
        Int(hashCount(size: size, level: level) % UInt64(TileID.width))
    }

    /// The number of hashes at a level of a tree.
    package static func hashCount(size: UInt64, level: Int) -> UInt64 {
        let shift = UInt64(TileID.height * level)
        return shift < 64 ? size >> shift : 0
    }

    /// The full tiles that restoring a stack of this size needs: for each level those that are not
    /// under a full tile of the level above, at most 255, ascending (protocol.md 11).
    package static func tilesToLoad(size: UInt64) -> [TileID] {
        var tiles: [TileID] = []
        var level = 0
        while hashCount(size: size, level: level + 1) > 0 {
            let full = hashCount(size: size, level: level + 1)
            let pending = UInt64(pendingCount(size: size, level: level + 1))
            for index in full - pending..<full {
                tiles.append(TileID(level: level, index: index))
            }
            level += 1
        }
        return tiles
    }

    /// Restores a stack from the tiles of `tilesToLoad(size:)`, in that order, and the leaf hashes
    /// after the last full tile of level 0.
    package init(size: UInt64, tiles: [Tile], tail: [Digest]) throws(FormatError) {
        guard tiles.map(\.id) == Self.tilesToLoad(size: size) else {
            throw FormatError(
                .inconsistent, "these are not the tiles of the edge of a tree of size \(size)")
        }
        var levels = [tail]
        for tile in tiles {
            while levels.count <= tile.level + 1 { levels.append([]) }
            levels[tile.level + 1].append(tile.root)
        }
        try self.init(size: size, levels: levels)
    }

    /// Restores a stack from its pending hashes; levels at the end that have none may be left out.
    package init(size: UInt64, levels: [[Digest]]) throws(FormatError) {
        let count = (64 - size.leadingZeroBitCount + 7) / TileID.height
        guard levels.dropFirst(count).allSatisfy(\.isEmpty) else {
            throw FormatError(.inconsistent, "hashes above the tree of size \(size)")
        }
        var restored: [[Digest]] = []
        var roots: [Digest] = []
        for level in 0..<count {
            let hashes = level < levels.count ? levels[level] : []
            let expected = Self.pendingCount(size: size, level: level)
            guard hashes.count == expected else {
                throw FormatError(
                    .inconsistent,
                    "\(hashes.count) hashes at level \(level) of a tree of size \(size), "
                        + "which has \(expected)")
            }
            var part = MerkleFrontier()
            for hash in hashes { part.append(hash) }
            roots.insert(contentsOf: part.hashes, at: 0)
            restored.append(hashes)
        }
        frontier = try MerkleFrontier(size: size, hashes: roots)
        self.levels = restored
    }
}
