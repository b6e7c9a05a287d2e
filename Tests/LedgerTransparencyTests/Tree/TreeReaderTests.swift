import LedgerCore
import LedgerStore
import LedgerTransparency
import TestSupport
import Testing

@Suite("TreeReader")
struct TreeReaderTests {
    private func leaves(_ count: Int) -> [Digest] {
        (0..<count).map { Digest.sha256(Array("leaf \($0)".utf8)) }
    }

    private func reader(
        _ tree: StoredTree, cacheBytes: Int = TreeReader.cacheBytes
    ) -> TreeReader {
        TreeReader(store: tree.store, tree: { tree.edge }, cacheBytes: cacheBytes)
    }

    private func makeTree(_ leaves: [Digest]) -> StoredTree {
        let tree = StoredTree()
        tree.append(leaves)
        return tree
    }

    // MARK: Right proofs

    @Test("every root and every proof up to size 300 is that of RFC 6962, as the ledger grows")
    func everySize() async throws {
        let leaves = leaves(300)
        let reference = ReferenceTree(leaves)
        let tree = StoredTree()
        let reader = reader(tree)
        #expect(try await reader.root(size: 0) == reference.hash(0..<0))
        for size in 1...leaves.count {
            tree.append([leaves[size - 1]])
            #expect(try await reader.root(size: UInt64(size)) == reference.hash(0..<size))
            for index in 0..<size {
                let path = try await reader.inclusionPath(
                    index: UInt64(index), size: UInt64(size))
                guard path == reference.path(index, 0..<size) else {
                    Issue.record("the inclusion of \(index) in \(size)")
                    return
                }
                let first = index + 1
                let proof = try await reader.consistencyPath(
                    from: UInt64(first), to: UInt64(size))
                guard proof == reference.proof(first, size) else {
                    Issue.record("the consistency of \(first) and \(size)")
                    return
                }
            }
        }
    }

    @Test("sizes below the head are answered from the tiles, around every border")
    func smallerSizes() async throws {
        let leaves = leaves(66_100)
        let reference = ReferenceTree(leaves)
        let reader = reader(makeTree(leaves))
        let sizes = [
            1, 2, 255, 256, 257, 511, 512, 513, 65_279, 65_280, 65_281, 65_535, 65_536, 65_537,
            65_791, 65_792, 65_793, 66_048, 66_100,
        ]
        for (place, size) in sizes.enumerated() {
            #expect(try await reader.root(size: UInt64(size)) == reference.hash(0..<size))
            for index in [0, size / 3, size - 1] {
                let proof = try await reader.inclusion(index: UInt64(index), size: UInt64(size))
                #expect(proof.path == reference.path(index, 0..<size))
                #expect(proof.leaf == leaves[index])
                #expect(proof.root == reference.hash(0..<size))
            }
            for first in sizes[...place] {
                let proof = try await reader.consistency(
                    from: UInt64(first), to: UInt64(size))
                #expect(proof.path == reference.proof(first, size))
                #expect(proof.firstRoot == reference.hash(0..<first))
                #expect(proof.secondRoot == reference.hash(0..<size))
            }
        }
    }

    @Test("random trees, sizes and leaves")
    func random() async throws {
        var random = ReplayableRandom()
        let leaves = leaves(Int.random(in: 1_000...20_000, using: &random))
        let reference = ReferenceTree(leaves)
        let reader = reader(makeTree(leaves))
        for _ in 0..<200 {
            let second = Int.random(in: 1...leaves.count, using: &random)
            let first = Int.random(in: 1...second, using: &random)
            let index = Int.random(in: 0..<second, using: &random)
            #expect(
                try await reader.inclusionPath(index: UInt64(index), size: UInt64(second))
                    == reference.path(index, 0..<second), "\(random.note)")
            #expect(
                try await reader.consistencyPath(from: UInt64(first), to: UInt64(second))
                    == reference.proof(first, second), "\(random.note)")
        }
    }

    @Test("a proof reads two tiles of a level at most, and none twice")
    func reads() async throws {
        let tree = makeTree(leaves(70_000))
        let reader = reader(tree)
        _ = try await reader.inclusionPath(index: 31_000, size: 66_000)
        // Levels 0 and 1: the leaf's and the edge's, and the one full tile above all of them.
        #expect(tree.reads <= 4)
        let before = tree.reads
        _ = try await reader.inclusionPath(index: 31_001, size: 66_000)
        #expect(tree.reads == before)
        let without = self.reader(tree, cacheBytes: 0)
        _ = try await without.inclusionPath(index: 31_000, size: 66_000)
        #expect(tree.reads <= before + 4)
    }

    // MARK: Tiles

    @Test("a tile has every width up to what it has at the size that is asked for")
    func tiles() async throws {
        let leaves = leaves(66_000)
        let reference = ReferenceTree(leaves)
        let tree = makeTree(leaves)
        let reader = reader(tree)
        func bytes(_ hashes: [Digest]) -> [UInt8] { hashes.flatMap(\.bytes) }
        let first = TileID(level: 0, index: 0)
        #expect(try await reader.tile(first, width: 256, size: 256) == bytes(Array(leaves[..<256])))
        #expect(try await reader.tile(first, width: 7, size: 66_000) == bytes(Array(leaves[..<7])))
        #expect(try await reader.tile(first, width: 8, size: 7) == nil)
        #expect(try await reader.tile(first, width: 256, size: 255) == nil)
        // 66,000 = 257 * 256 + 208.
        let last = TileID(level: 0, index: 257)
        #expect(
            try await reader.tile(last, width: 208, size: 66_000)
                == bytes(Array(leaves[65_792...])))
        #expect(try await reader.tile(last, width: 209, size: 66_000) == nil)
        #expect(try await reader.tile(TileID(level: 0, index: 258), width: 1, size: 66_000) == nil)
        let subtrees = (0..<257).map { reference.hash($0 * 256..<($0 + 1) * 256) }
        let above = TileID(level: 1, index: 0)
        #expect(
            try await reader.tile(above, width: 256, size: 66_000) == bytes(Array(subtrees[..<256]))
        )
        #expect(
            try await reader.tile(TileID(level: 1, index: 1), width: 1, size: 66_000)
                == subtrees[256].bytes)
        #expect(
            try await reader.tile(TileID(level: 2, index: 0), width: 1, size: 66_000)
                == reference.hash(0..<65_536).bytes)
        for (level, index) in [(0, UInt64.max), (3, 0), (7, 0), (63, 0), (63, .max)] {
            let tile = try await reader.tile(
                TileID(level: level, index: index), width: 1, size: 66_000)
            #expect(tile == nil)
        }
    }

    // MARK: What is refused

    @Test(
        "what the replica does not cover is out of range, and nothing is covered before it is read")
    func outOfRange() async throws {
        let tree = makeTree(leaves(300))
        let reader = reader(tree)
        let questions: [@Sendable (TreeReader) async throws -> Void] = [
            { _ = try await $0.root(size: 301) },
            { _ = try await $0.root(size: .max) },
            { _ = try await $0.inclusion(index: 300, size: 300) },
            { _ = try await $0.inclusion(index: .max, size: .max) },
            { _ = try await $0.inclusion(index: 0, size: 0) },
            { _ = try await $0.consistency(from: 0, to: 3) },
            { _ = try await $0.consistency(from: 4, to: 3) },
            { _ = try await $0.consistency(from: 1, to: 301) },
            { _ = try await $0.tile(TileID(level: 0, index: 0), width: 1, size: 301) },
        ]
        for question in questions {
            let error = await #expect(throws: TreeError.self) { try await question(reader) }
            #expect(error?.code == .outOfRange)
        }
        let unread = TreeReader(store: tree.store, tree: { nil })
        let error = await #expect(throws: TreeError.self) { try await unread.root(size: 1) }
        #expect(error?.code == .notLoaded)
        #expect(unread.coveredSize == nil)
    }

    @Test("a tile that was altered, exchanged, cut or deleted is corruption, at every level")
    func tampering() async throws {
        let tree = makeTree(leaves(66_000))
        var random = ReplayableRandom()
        let other = tree[TileID(level: 0, index: 3)]
        for id in [TileID(level: 0, index: 121), TileID(level: 1, index: 0)] {
            let right = try #require(tree[id])
            var altered = right
            altered[Int.random(in: 0..<altered.count, using: &random)] ^= 1
            let wrong: [[UInt8]?] = [altered, other, Array(right.dropLast()), right + [0], [], nil]
            for bytes in wrong {
                tree[id] = bytes
                let reader = reader(tree)
                let error = await #expect(throws: TreeError.self) {
                    try await reader.inclusionPath(index: 31_000, size: 66_000)
                }
                #expect(error?.code == .corrupt, "\(random.note)")
                let tile = await #expect(throws: TreeError.self) {
                    try await reader.tile(
                        TileID(level: 0, index: 121), width: 9, size: 66_000)
                }
                #expect(tile?.code == .corrupt, "\(random.note)")
                tree[id] = right
                // What was wrong is not remembered.
                _ = try await reader.inclusionPath(index: 31_000, size: 66_000)
            }
        }
    }

    @Test("tiles that were kept of another tree are read again")
    func anotherTree() async throws {
        let tree = makeTree(leaves(600))
        let reader = reader(tree)
        _ = try await reader.root(size: 300)
        let others = leaves(601).reversed().map { $0 }
        let another = makeTree(others)
        for index in 0..<2 as Range<UInt64> {
            let id = TileID(level: 0, index: index)
            tree[id] = another[id]
        }
        tree.edge = another.edge
        #expect(
            try await reader.root(size: 300) == ReferenceTree(others).hash(0..<300))
    }

    @Test("where etcd does not answer, nothing is said; the newest root needs no answer")
    func silence() async throws {
        let tree = makeTree(leaves(600))
        tree.isSilent = true
        let reader = reader(tree)
        let error = await #expect(throws: TreeError.self) { try await reader.root(size: 300) }
        #expect(error?.code == .unavailable)
        #expect(try await reader.root(size: 600) == tree.edge.frontier.root)
        tree.isSilent = false
        _ = try await reader.root(size: 300)
    }
}
