/// Making inclusion and consistency proofs (RFC 6962, section 2.1).
///
/// The hashes of full subtrees come from a function, so that they can be taken from tiles. To know
/// which tiles a proof needs, make it once with a function that notes `TreeNode.tile`.
extension MerkleTree {
    /// The hashes that lead from the leaf at `index` to the root of the tree of `size` leaves, leaf
    /// to root.
    package static func inclusionPath<Failure: Error>(
        index: UInt64, size: UInt64, hash: (TreeNode) throws(Failure) -> Digest
    ) throws(Failure) -> [Digest] {
        precondition(index < size, "no such leaf in the tree")
        var siblings: [Range<UInt64>] = []
        var part = 0..<size
        while part.upperBound - part.lowerBound > 1 {
            let middle = part.lowerBound + split(part.upperBound - part.lowerBound)
            if index < middle {
                siblings.append(middle..<part.upperBound)
                part = part.lowerBound..<middle
            } else {
                siblings.append(part.lowerBound..<middle)
                part = middle..<part.upperBound
            }
        }
        return try roots(of: siblings.reversed(), hash: hash)
    }

    /// The hashes that prove that the tree of `first` leaves, at least 1, is the beginning of the
    /// tree of `second` leaves; none for equal sizes.
    package static func consistencyPath<Failure: Error>(
        from first: UInt64, to second: UInt64, hash: (TreeNode) throws(Failure) -> Digest
    ) throws(Failure) -> [Digest] {
        precondition(first >= 1 && first <= second, "no such trees")
        var parts: [Range<UInt64>] = []
        var part = 0..<second
        // Whether `part` begins where the smaller tree begins, so that its root needs no hash of
        // its own.
        var isWhole = true
        while part.upperBound != first {
            let middle = part.lowerBound + split(part.upperBound - part.lowerBound)
            if first <= middle {
                parts.append(middle..<part.upperBound)
                part = part.lowerBound..<middle
            } else {
                parts.append(part.lowerBound..<middle)
                part = middle..<part.upperBound
                isWhole = false
            }
        }
        if !isWhole { parts.append(part) }
        return try roots(of: parts.reversed(), hash: hash)
    }

    /// The root of the tree of `size` leaves.
    package static func root<Failure: Error>(
        size: UInt64, hash: (TreeNode) throws(Failure) -> Digest
    ) throws(Failure) -> Digest {
        try root(of: 0..<size, hash: hash)
    }

    private static func roots<Failure: Error>(
        of parts: [Range<UInt64>], hash: (TreeNode) throws(Failure) -> Digest
    ) throws(Failure) -> [Digest] {
        var roots: [Digest] = []
        for part in parts {
            roots.append(try root(of: part, hash: hash))
        }
        return roots
    }

    /// The root over a part that splitting gave: full subtrees of falling height.
    private static func root<Failure: Error>(
        of part: Range<UInt64>, hash: (TreeNode) throws(Failure) -> Digest
    ) throws(Failure) -> Digest {
        var hashes: [Digest] = []
        var start = part.lowerBound
        while start < part.upperBound {
            let height = 63 - (part.upperBound - start).leadingZeroBitCount
            hashes.append(
                try hash(TreeNode(height: height, index: start >> UInt64(height))))
            start += 1 << UInt64(height)
        }
        guard var root = hashes.popLast() else { return emptyRoot }
        while let left = hashes.popLast() {
            root = nodeHash(left, root)
        }
        return root
    }
}
