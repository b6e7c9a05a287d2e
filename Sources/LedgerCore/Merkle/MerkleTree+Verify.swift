/// Checking inclusion and consistency proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2).
extension MerkleTree {
    /// Whether `path` proves that the leaf at `index` is in the tree of `size` leaves with this
    /// root.
    package static func verifyInclusion(
        leaf: Digest, index: UInt64, size: UInt64, path: [Digest], root: Digest
    ) -> Bool {
        guard index < size else { return false }
        var first = index
        var last = size - 1
        var hash = leaf
        for sibling in path {
            guard last > 0 else { return false }
            if first & 1 == 1 || first == last {
                hash = nodeHash(sibling, hash)
                while first & 1 == 0, first != 0 {
                    first >>= 1
                    last >>= 1
                }
            } else {
                hash = nodeHash(hash, sibling)
            }
            first >>= 1
            last >>= 1
        }
        return last == 0 && hash == root
    }

    /// Whether `path` proves that the tree of `first` leaves is the beginning of the tree of
    /// `second` leaves.
    ///
    /// Nothing is proved of the empty tree, with which every tree begins: `first` must be at least
    /// 1.
    package static func verifyConsistency(
        first: UInt64, second: UInt64, firstRoot: Digest, secondRoot: Digest, path: [Digest]
    ) -> Bool {
        guard first >= 1, first <= second else { return false }
        if first == second { return path.isEmpty && firstRoot == secondRoot }
        var path = path[...]
        // A full tree is itself a node of the larger one, so that its root is not sent.
        let isFull = first & (first - 1) == 0
        guard let start = isFull ? firstRoot : path.popFirst() else { return false }
        var left = first - 1
        var last = second - 1
        while left & 1 == 1 {
            left >>= 1
            last >>= 1
        }
        var firstHash = start
        var secondHash = start
        for sibling in path {
            guard last > 0 else { return false }
            if left & 1 == 1 || left == last {
                firstHash = nodeHash(sibling, firstHash)
                secondHash = nodeHash(sibling, secondHash)
                while left & 1 == 0, left != 0 {
                    left >>= 1
                    last >>= 1
                }
            } else {
                secondHash = nodeHash(secondHash, sibling)
            }
            left >>= 1
            last >>= 1
        }
        return last == 0 && firstHash == firstRoot && secondHash == secondRoot
    }
}
