import LedgerCore
import Testing

@Suite("TileStack")
struct TileStackTests {
    private func leaf(_ index: Int) -> Digest {
        MerkleTree.leafHash(of: Array("leaf \(index)".utf8))
    }

    /// A stack of a size, all tiles that were completed on the way, and the leaves.
    private func grow(_ size: Int) -> (stack: TileStack, tiles: [TileID: Tile], leaves: [Digest]) {
        var stack = TileStack()
        var tiles: [TileID: Tile] = [:]
        let leaves = (0..<size).map(leaf)
        for leaf in leaves {
            for tile in stack.append(leaf) { tiles[tile.id] = tile }
        }
        return (stack, tiles, leaves)
    }

    @Test("a tile is completed by every 256th leaf and holds those leaves")
    func completes() {
        var stack = TileStack()
        for index in 0..<1024 {
            let tiles = stack.append(leaf(index))
            if (index + 1) % 256 == 0 {
                #expect(tiles.map(\.id) == [TileID(level: 0, index: UInt64(index / 256))])
                #expect(tiles.first?.bytes.count == 8192)
                #expect(tiles.first?.hashes == (index - 255...index).map(leaf))
            } else {
                #expect(tiles.isEmpty)
            }
        }
    }

    @Test(
        "65,536 leaves complete a tile of level 1, whose hashes are the roots of tiles of level 0")
    func nested() throws {
        let (stack, tiles, leaves) = grow(65_536 + 256)
        #expect(tiles.count == 257 + 1)
        let parent = try #require(tiles[TileID(level: 1, index: 0)])
        for index in 0..<256 {
            let child = try #require(tiles[TileID(level: 0, index: UInt64(index))])
            #expect(parent[index] == child.root)
        }
        #expect(stack.frontier.root == MerkleTree.root(of: leaves))
        #expect(stack.levels.map(\.count) == [0, 1, 1])
        let loaded = try TileStack.tilesToLoad(size: stack.size).map { try #require(tiles[$0]) }
        #expect(loaded.map(\.id) == [TileID(level: 0, index: 256), TileID(level: 1, index: 0)])
        #expect(try TileStack(size: stack.size, tiles: loaded, tail: []) == stack)
    }

    @Test("a stack is restored from its tiles and the last leaves, at random sizes")
    func restore() throws {
        try withSeed { generator in
            var sizes = (0..<20).map { _ in Int.random(in: 0...3000, using: &generator) }
            sizes += [0, 1, 255, 256, 257, 512, 2048]
            for size in sizes {
                let (stack, tiles, leaves) = grow(size)
                let loaded = try TileStack.tilesToLoad(size: UInt64(size))
                    .map { try #require(tiles[$0]) }
                var restored = try TileStack(
                    size: UInt64(size), tiles: loaded, tail: Array(leaves[(size / 256 * 256)...]))
                #expect(restored == stack)
                #expect(try TileStack(size: UInt64(size), levels: stack.levels) == stack)
                var original = stack
                for index in size..<size + 300 {
                    #expect(restored.append(leaf(index)) == original.append(leaf(index)))
                }
                #expect(restored == original)
            }
        }
    }

    @Test("only the tiles that are not under a full parent are loaded: at most 255 a level")
    func tilesToLoad() {
        let size: UInt64 = 3 * 65_536 + 5 * 256 + 7
        let tiles = TileStack.tilesToLoad(size: size)
        #expect(tiles.filter { $0.level == 0 }.map(\.index) == [768, 769, 770, 771, 772])
        #expect(tiles.filter { $0.level == 1 }.map(\.index) == [0, 1, 2])
        #expect(tiles.count == 8)
        for size: UInt64 in [1 << 40 - 1, 1 << 63 - 1, .max] {
            let tiles = TileStack.tilesToLoad(size: size)
            #expect(tiles.count <= 255 * 8)
        }
    }

    @Test("parts that do not belong to the size are refused")
    func refused() throws {
        let (_, tiles, leaves) = grow(600)
        let loaded = TileStack.tilesToLoad(size: 600).compactMap { tiles[$0] }
        let tail = Array(leaves[512...])
        #expect(throws: Never.self) { try TileStack(size: 600, tiles: loaded, tail: tail) }
        #expect(throws: FormatError.self) {
            try TileStack(size: 600, tiles: loaded.reversed(), tail: tail)
        }
        #expect(throws: FormatError.self) {
            try TileStack(size: 600, tiles: Array(loaded.dropLast()), tail: tail)
        }
        #expect(throws: FormatError.self) {
            try TileStack(size: 600, tiles: loaded, tail: Array(tail.dropLast()))
        }
        #expect(throws: FormatError.self) { try TileStack(size: 0, levels: [[.zero]]) }
        #expect(throws: FormatError.self) {
            try Tile(id: TileID(level: 0, index: 0), bytes: [1, 2, 3])
        }
    }

    @Test("every subtree of a tree is found in its full tiles or in the stack")
    func nodes() throws {
        let size = 70_000
        let (stack, tiles, leaves) = grow(size)
        try withSeed { generator in
            func hash(of node: TreeNode) throws -> Digest {
                try #require(tiles[node.tile]?.hash(of: node) ?? stack.hash(of: node))
            }
            let root = MerkleTree.root(of: leaves)
            #expect(try MerkleTree.root(size: UInt64(size), hash: hash) == root)
            for _ in 0..<50 {
                let index = Int.random(in: 0..<size, using: &generator)
                let path = try MerkleTree.inclusionPath(
                    index: UInt64(index), size: UInt64(size), hash: hash)
                #expect(
                    MerkleTree.verifyInclusion(
                        leaf: leaves[index], index: UInt64(index), size: UInt64(size), path: path,
                        root: root))
                let older = Int.random(in: 1...size, using: &generator)
                let proof = try MerkleTree.consistencyPath(
                    from: UInt64(older), to: UInt64(size), hash: hash)
                let olderRoot = try MerkleTree.root(size: UInt64(older), hash: hash)
                #expect(
                    MerkleTree.verifyConsistency(
                        first: UInt64(older), second: UInt64(size),
                        firstRoot: olderRoot,
                        secondRoot: root, path: proof))
            }
        }
        #expect(stack.hash(of: TreeNode(height: 0, index: UInt64(size))) == nil)
        #expect(stack.hash(of: TreeNode(height: 0, index: 0)) == nil)
    }
}
