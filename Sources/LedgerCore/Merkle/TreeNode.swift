/// A full subtree of the Merkle tree: the one over the leaves index<<height ..< (index+1)<<height.
package struct TreeNode: Hashable, Sendable {
    /// 0 for a leaf.
    package let height: Int

    package let index: UInt64

    package init(height: Int, index: UInt64) {
        self.height = height
        self.index = index
    }

    /// The tile that holds the hashes below this node.
    package var tile: TileID {
        TileID(
            level: height / TileID.height,
            index: (index << UInt64(height % TileID.height)) / UInt64(TileID.width))
    }

    /// The positions of those hashes in the tile; the node is the root of the subtree over them.
    package var positions: Range<Int> {
        let width = 1 << (height % TileID.height)
        let start = Int(index << UInt64(height % TileID.height) % UInt64(TileID.width))
        return start..<start + width
    }
}

extension Tile {
    /// The root of a subtree that lies in this tile.
    package func hash(of node: TreeNode) -> Digest? {
        node.tile == id ? MerkleTree.root(of: node.positions.map { self[$0] }) : nil
    }
}

extension TileStack {
    /// The root of a subtree that lies in a tile which is not full yet; nil for any other.
    package func hash(of node: TreeNode) -> Digest? {
        let tile = node.tile
        guard tile.level < levels.count,
            tile.index == Self.hashCount(size: size, level: tile.level + 1),
            node.positions.upperBound <= levels[tile.level].count
        else { return nil }
        return MerkleTree.root(of: Array(levels[tile.level][node.positions]))
    }
}
