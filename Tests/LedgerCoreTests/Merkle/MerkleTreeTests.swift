import LedgerCore
import Testing

@Suite("Merkle tree")
struct MerkleTreeTests {
    private func digests(_ hex: [String]) -> [Digest] { hex.compactMap { Digest(hex: $0) } }

    /// The definition of RFC 6962, word for word.
    private func reference(_ leaves: ArraySlice<Digest>) -> Digest {
        guard let first = leaves.first else { return Digest.sha256([UInt8]()) }
        if leaves.count == 1 { return first }
        var half = 1
        while half * 2 < leaves.count { half *= 2 }
        let middle = leaves.startIndex + half
        return MerkleTree.nodeHash(
            reference(leaves[..<middle]), reference(leaves[middle...]))
    }

    private func hash(of node: TreeNode, in leaves: [Digest]) -> Digest {
        let start = Int(node.index << UInt64(node.height))
        return reference(leaves[start..<start + 1 << node.height])
    }

    @Test("roots and frontiers are those of the vectors")
    func vectors() throws {
        let leaves = try Vectors.leaves()
        #expect(leaves.count == 300)
        for tree in try Vectors.decode(Vectors.Trees.self, "trees.json").trees {
            var frontier = MerkleFrontier()
            for leaf in leaves.prefix(Int(tree.size)) { frontier.append(leaf) }
            #expect(frontier.size == tree.size)
            #expect(frontier.root.hex == tree.root)
            #expect(frontier.hashes.map(\.hex) == tree.frontier)
            let stored = try MerkleFrontier(size: tree.size, hashes: digests(tree.frontier))
            #expect(stored == frontier)
        }
    }

    @Test("inclusion paths are those of the vectors, and they verify")
    func inclusionVectors() throws {
        let leaves = try Vectors.leaves()
        for vector in try Vectors.decode(Vectors.Trees.self, "trees.json").inclusion {
            let path = MerkleTree.inclusionPath(index: vector.index, size: vector.size) {
                hash(of: $0, in: leaves)
            }
            #expect(path.map(\.hex) == vector.path)
            let root = MerkleTree.root(of: Array(leaves.prefix(Int(vector.size))))
            #expect(
                MerkleTree.verifyInclusion(
                    leaf: leaves[Int(vector.index)], index: vector.index, size: vector.size,
                    path: path, root: root))
        }
    }

    @Test("consistency paths are those of the vectors, and they verify")
    func consistencyVectors() throws {
        let leaves = try Vectors.leaves()
        for vector in try Vectors.decode(Vectors.Trees.self, "trees.json").consistency {
            let path = MerkleTree.consistencyPath(from: vector.from, to: vector.to) {
                hash(of: $0, in: leaves)
            }
            #expect(path.map(\.hex) == vector.path)
            #expect(
                MerkleTree.verifyConsistency(
                    first: vector.from, second: vector.to,
                    firstRoot: MerkleTree.root(of: Array(leaves.prefix(Int(vector.from)))),
                    secondRoot: MerkleTree.root(of: Array(leaves.prefix(Int(vector.to)))),
                    path: path))
        }
    }

    @Test("frontier and tile stack have the reference root at every size up to 1,100")
    func everySize() throws {
        let leaves = (0..<1100).map { MerkleTree.leafHash(of: Array("leaf \($0)".utf8)) }
        var frontier = MerkleFrontier()
        var stack = TileStack()
        #expect(frontier.root == reference([]))
        for (index, leaf) in leaves.enumerated() {
            frontier.append(leaf)
            _ = stack.append(leaf)
            #expect(frontier.root == reference(leaves[...index]))
            #expect(stack.frontier == frontier)
            #expect(frontier.hashes.count == frontier.size.nonzeroBitCount)
        }
    }

    @Test("proofs between all small sizes verify, and no changed proof does")
    func allSmallProofs() throws {
        let leaves = (0..<40).map { MerkleTree.leafHash(of: Array("\($0)".utf8)) }
        let roots = (0...40).map { reference(leaves[..<$0]) }
        for size in 1...40 {
            for index in 0..<size {
                let path = MerkleTree.inclusionPath(index: UInt64(index), size: UInt64(size)) {
                    hash(of: $0, in: leaves)
                }
                func verify(_ path: [Digest], index: Int = index, size: Int = size) -> Bool {
                    MerkleTree.verifyInclusion(
                        leaf: leaves[index % 40], index: UInt64(index), size: UInt64(size),
                        path: path, root: roots[min(size, 40)])
                }
                #expect(verify(path))
                #expect(!verify(path + [.zero]))
                #expect(path.isEmpty || !verify(Array(path.dropLast())))
                #expect(!verify(path, index: index + 1 < size ? index + 1 : index + 40))
                for position in path.indices {
                    var changed = path
                    changed[position] = .zero
                    #expect(!verify(changed))
                }
            }
            for first in 1...size {
                let path = MerkleTree.consistencyPath(from: UInt64(first), to: UInt64(size)) {
                    hash(of: $0, in: leaves)
                }
                func verify(_ path: [Digest], _ firstRoot: Digest) -> Bool {
                    MerkleTree.verifyConsistency(
                        first: UInt64(first), second: UInt64(size), firstRoot: firstRoot,
                        secondRoot: roots[size], path: path)
                }
                #expect(verify(path, roots[first]))
                #expect(!verify(path, .zero))
                #expect(!verify(path + [.zero], roots[first]))
                for position in path.indices {
                    var changed = path
                    changed[position] = .zero
                    #expect(!verify(changed, roots[first]))
                }
            }
        }
    }

    @Test("proofs for numbers outside the tree are refused without a trap")
    func outside() {
        let root = Digest.zero
        for size: UInt64 in [0, 1, .max] {
            #expect(
                !MerkleTree.verifyInclusion(
                    leaf: root, index: size, size: size, path: [], root: root))
            #expect(
                !MerkleTree.verifyInclusion(
                    leaf: root, index: .max, size: size, path: [root], root: root))
        }
        #expect(
            !MerkleTree.verifyConsistency(
                first: 0, second: 1, firstRoot: root, secondRoot: root, path: []))
        #expect(
            !MerkleTree.verifyConsistency(
                first: 2, second: 1, firstRoot: root, secondRoot: root, path: []))
        #expect(
            !MerkleTree.verifyConsistency(
                first: .max - 1, second: .max, firstRoot: root, secondRoot: root, path: [root]))
    }

    @Test("a frontier must have one root for each 1-bit of its size")
    func wrongCount() {
        #expect(throws: FormatError.self) { try MerkleFrontier(size: 3, hashes: [.zero]) }
        #expect(throws: FormatError.self) { try MerkleFrontier(size: 0, hashes: [.zero]) }
    }
}
