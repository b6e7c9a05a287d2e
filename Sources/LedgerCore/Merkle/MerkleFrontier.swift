/// The roots of the maximal full subtrees of a Merkle tree, largest first: all that is needed to
/// extend it (formats.md, "Keys in etcd", `head`).
package struct MerkleFrontier: Hashable, Sendable {
    /// The number of leaves.
    package private(set) var size: UInt64

    /// One root for each 1-bit of the size.
    package private(set) var hashes: [Digest]

    /// The frontier of the empty tree.
    package init() {
        size = 0
        hashes = []
    }

    /// Takes stored roots, whose number must fit the size.
    package init(size: UInt64, hashes: [Digest]) throws(FormatError) {
        guard hashes.count == size.nonzeroBitCount else {
            throw FormatError(
                .inconsistent,
                "\(hashes.count) subtree roots for a tree of size \(size), "
                    + "which has \(size.nonzeroBitCount)")
        }
        self.size = size
        self.hashes = hashes
    }

    /// Appends a leaf hash, at the cost of one node hash on average.
    package mutating func append(_ leaf: Digest) {
        append(leaf) { _, _ in }
    }

    /// Appends a leaf hash and tells of every full subtree that it completes: the height (1 and
    /// more) and the root.
    mutating func append(_ leaf: Digest, completing visit: (Int, Digest) -> Void) {
        var node = leaf
        var height = 0
        while size >> UInt64(height) & 1 == 1 {
            node = MerkleTree.nodeHash(hashes.removeLast(), node)
            height += 1
            visit(height, node)
        }
        hashes.append(node)
        size += 1
    }

    /// The root of the tree.
    package var root: Digest {
        guard var node = hashes.last else { return MerkleTree.emptyRoot }
        for left in hashes.dropLast().reversed() {
            node = MerkleTree.nodeHash(left, node)
        }
        return node
    }
}
