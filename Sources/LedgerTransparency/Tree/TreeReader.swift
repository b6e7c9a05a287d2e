package import LedgerCore
package import LedgerStore

/// Roots, proofs and tiles of the tree, at any size up to the one that this replica covers.
///
/// What is under the right edge comes from the full tiles in etcd, at most two of each level for a proof, and the rest
/// from the replica's own edge. Nothing is handed out that was not checked: a tile against the level above it
/// (`TileReader`), a proof against its roots.
package final class TreeReader: Sendable {
    /// The bytes of full tiles that are kept in memory: a thousand of them.
    package static let cacheBytes = 8 << 20

    private let tree: @Sendable () -> TileStack?
    private let tiles: TileReader

    /// - Parameters:
    ///   - tree: the right edge of the tree as this replica knows it (`Replica.tree`); nil until it was read.
    ///   - cacheBytes: the bytes of full tiles that are kept at most.
    package init(
        store: LedgerStore, tree: @escaping @Sendable () -> TileStack?,
        cacheBytes: Int = TreeReader.cacheBytes
    ) {
        self.tree = tree
        tiles = TileReader(store: store, cacheBytes: cacheBytes)
    }

    /// The size up to which it can answer; nil until the ledger was read.
    package var coveredSize: UInt64? { tree()?.size }

    /// The root of the tree over the first `size` events.
    ///
    /// - Throws: `TreeError`: `outOfRange` beyond what this replica covers.
    package func root(size: UInt64) async throws(TreeError) -> Digest {
        let edge = try edge(covering: size)
        return try await compute(edge) { hash in Self.root(size: size, of: edge, hash) }
    }

    /// The hashes that lead from the leaf at `index` to the root of the tree of `size` leaves, leaf to root.
    ///
    /// - Throws: `TreeError`: `outOfRange` beyond what this replica covers, or for a leaf beyond the tree.
    package func inclusionPath(
        index: UInt64, size: UInt64
    ) async throws(TreeError) -> [Digest] {
        try await inclusion(index: index, size: size).path
    }

    /// The hashes that prove the tree of `first` leaves, at least 1, to be the beginning of that of `second` leaves.
    ///
    /// - Throws: `TreeError`: `outOfRange` beyond what this replica covers, or for sizes that are not in order.
    package func consistencyPath(
        from first: UInt64, to second: UInt64
    ) async throws(TreeError) -> [Digest] {
        try await consistency(from: first, to: second).path
    }

    /// The path of `inclusionPath`, with what it leads from and to.
    package func inclusion(
        index: UInt64, size: UInt64
    ) async throws(TreeError) -> VerifiedInclusion {
        guard index < size else {
            throw TreeError(.outOfRange, "a tree of size \(size) has no leaf \(index)")
        }
        let edge = try edge(covering: size)
        let proof = try await compute(edge) { hash in
            VerifiedInclusion(
                index: index, size: size, leaf: hash(TreeNode(height: 0, index: index)),
                path: MerkleTree.inclusionPath(index: index, size: size, hash: hash),
                root: Self.root(size: size, of: edge, hash))
        }
        guard
            MerkleTree.verifyInclusion(
                leaf: proof.leaf, index: index, size: size, path: proof.path, root: proof.root)
        else {
            throw TreeError(
                .corrupt, "the tiles do not lead from leaf \(index) to the root of size \(size)")
        }
        return proof
    }

    /// The path of `consistencyPath`, with the two roots.
    package func consistency(
        from first: UInt64, to second: UInt64
    ) async throws(TreeError) -> VerifiedConsistency {
        guard first >= 1, first <= second else {
            throw TreeError(.outOfRange, "there is no proof from size \(first) to \(second)")
        }
        let edge = try edge(covering: second)
        let proof = try await compute(edge) { hash in
            VerifiedConsistency(
                path: MerkleTree.consistencyPath(from: first, to: second, hash: hash),
                firstRoot: Self.root(size: first, of: edge, hash),
                secondRoot: Self.root(size: second, of: edge, hash))
        }
        guard
            MerkleTree.verifyConsistency(
                first: first, second: second, firstRoot: proof.firstRoot,
                secondRoot: proof.secondRoot, path: proof.path)
        else {
            throw TreeError(
                .corrupt, "the tiles do not lead from the root of size \(first) to \(second)")
        }
        return proof
    }

    /// The first `width` hashes of a tile, 1 to 256 of them, in the tree of `size` leaves: 32 bytes each.
    ///
    /// - Returns: nil where the tile has fewer hashes in a tree of that size.
    package func tile(
        _ id: TileID, width: Int, size: UInt64
    ) async throws(TreeError) -> [UInt8]? {
        precondition((1...TileID.width).contains(width), "a tile has 1 to 256 hashes")
        let edge = try edge(covering: size)
        let count = TileStack.hashCount(size: size, level: id.level)
        let (start, isTooFar) = id.index.multipliedReportingOverflow(by: UInt64(TileID.width))
        guard !isTooFar, start < count, count - start >= UInt64(width) else { return nil }
        guard edge.isFull(id) else {
            return edge.levels[id.level].prefix(width).reduce(into: []) { $1.append(to: &$0) }
        }
        let tile = try await tiles.tiles([id], below: edge)[id]
        return tile.map { Array($0.bytes.prefix(width * Digest.byteCount)) }
    }

    // MARK: Private

    private func edge(covering size: UInt64) throws(TreeError) -> TileStack {
        guard let edge = tree() else {
            throw TreeError(.notLoaded, "the ledger is still being loaded")
        }
        guard size <= edge.size else {
            throw TreeError(
                .outOfRange, "the tree is covered up to size \(edge.size), not \(size)")
        }
        return edge
    }

    /// Does a computation twice: once to learn which tiles it needs, and once they are read.
    private func compute<Value>(
        _ edge: TileStack, _ body: ((TreeNode) -> Digest) -> Value
    ) async throws(TreeError) -> Value {
        var needed: Set<TileID> = []
        _ = body { node in
            if edge.isFull(node.tile) { needed.insert(node.tile) }
            return .zero
        }
        let tiles = try await tiles.tiles(needed, below: edge)
        var isWhole = true
        let value = body { node in
            if let hash = tiles[node.tile]?.hash(of: node) ?? edge.hash(of: node) { return hash }
            isWhole = false
            return .zero
        }
        guard isWhole else { throw TreeError(.corrupt, "a part of the tree is missing") }
        return value
    }

    /// The root of a tree; of the newest one without a tile.
    private static func root(
        size: UInt64, of edge: TileStack, _ hash: (TreeNode) -> Digest
    ) -> Digest {
        size == edge.size ? edge.frontier.root : MerkleTree.root(size: size, hash: hash)
    }
}
