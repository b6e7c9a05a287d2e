/// A Merkle tree's right edge, of which parts may be unknown: what verifying a range recomputes.
struct PartialTree: Sendable {
    private(set) var size: UInt64

    /// One root for each 1-bit of the size, largest first; nil where it is unknown.
    private(set) var roots: [Digest?]

    /// The edge at the beginning of the range; nil leaves everything before it unknown.
    init(size: UInt64, base: MerkleFrontier?) {
        precondition(base.map { $0.size == size } ?? true, "the base is of another size")
        self.size = size
        roots = base?.hashes ?? Array(repeating: nil, count: size.nonzeroBitCount)
    }

    /// Appends a leaf and tells of every full subtree that it completes and that is known.
    mutating func append(
        _ leaf: Digest?, completing visit: (TreeNode, Digest) -> Void = { _, _ in }
    ) {
        var root = leaf
        var height = 0
        while size >> UInt64(height) & 1 == 1 {
            // A tree of this size has a root for each of its 1-bits, so there is one to take.
            let left = roots.removeLast()
            height += 1
            if let known = left, let right = root {
                let joined = MerkleTree.nodeHash(known, right)
                visit(TreeNode(height: height, index: size >> UInt64(height)), joined)
                root = joined
            } else {
                root = nil
            }
        }
        roots.append(root)
        size += 1
    }

    /// The root of the whole tree; nil where a part is unknown.
    var root: Digest? {
        let known = roots.compactMap { $0 }
        guard known.count == roots.count,
            let frontier = try? MerkleFrontier(size: size, hashes: known)
        else { return nil }
        return frontier.root
    }

    /// The leaf index at which each root's subtree begins.
    var starts: [UInt64] {
        var start: UInt64 = 0
        return (0..<64).reversed().filter { size >> UInt64($0) & 1 == 1 }.map { height in
            defer { start += 1 << UInt64(height) }
            return start
        }
    }
}
