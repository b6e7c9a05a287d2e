import LedgerCore
import LedgerStore

/// Reads full tiles from etcd, each checked against the tree that this replica knows.
///
/// The root of a tile is one of its parent's hashes. A parent that is full is read and checked in the same way, and one
/// that is not lies in the replica's own right edge, which was computed from the events and agrees with the head
/// (`LedgerState`). So a tile that was altered, exchanged or deleted in etcd is noticed before anything is made of it,
/// for one hash over each level, and the parents are mostly what a proof needs anyway.
///
/// Checked tiles are kept, and compared with the edge again whenever they are used. They hide from a reader of proofs
/// that somebody has altered the stored ones since; `VerifyEvents` and the audit read what is stored, never this.
struct TileReader: Sendable {
    private struct KnownTile: Sendable {
        var tile: Tile
        /// Computed once.
        var root: Digest

        init(_ tile: Tile) {
            self.tile = tile
            root = tile.root
        }
    }

    /// The tiles at hand, and whether one of them was kept from earlier.
    private struct Found {
        var tiles: [TileID: KnownTile] = [:]
        var areKept = false
    }

    private let store: LedgerStore
    private let cache: ReadCache<TileID, KnownTile>
    private let reading = SharedReads<TileID, KnownTile, TreeError>(
        cancelled: TreeError(.unavailable, "the read was cancelled"))

    /// - Parameter cacheBytes: the bytes of tiles that are kept at most; 8,192 each.
    init(store: LedgerStore, cacheBytes: Int) {
        self.store = store
        cache = ReadCache(maxBytes: cacheBytes)
    }

    /// Reads tiles, all of which are full in the tree of `edge`. What is read beside them grows with the logarithm of
    /// the tree's size.
    ///
    /// - Throws: `corrupt` for a tile that is missing, malformed or not the tree's; `unavailable`.
    func tiles(
        _ ids: Set<TileID>, below edge: TileStack
    ) async throws(TreeError) -> [TileID: Tile] {
        var wanted = ids
        for id in ids {
            var parent = id.parent
            while edge.isFull(parent), wanted.insert(parent).inserted { parent = parent.parent }
        }
        var found = try await find(wanted, readsAgain: false)
        var wrong = Self.firstWrong(in: found, below: edge)
        if wrong != nil, found.areKept {
            // What was kept is of another tree, such as of a member's copy that was served without a quorum.
            for id in wanted { cache.remove(id) }
            found = try await find(wanted, readsAgain: true)
            wrong = Self.firstWrong(in: found, below: edge)
        }
        if let wrong {
            throw TreeError(
                .corrupt, "the stored tile \(wrong.level)/\(wrong.index) is not that of the tree")
        }
        for (id, known) in found.tiles { cache.insert(known, for: id, bytes: Tile.byteCount) }
        return found.tiles.mapValues(\.tile)
    }

    /// The first tile, from the top, whose root is not what the level above says.
    private static func firstWrong(in found: Found, below edge: TileStack) -> TileID? {
        let ids = found.tiles.keys.sorted { ($1.level, $0.index) < ($0.level, $1.index) }
        return ids.first { id in
            guard let known = found.tiles[id] else { return true }
            return known.root != hash(above: id, in: found, edge)
        }
    }

    /// What the level above says the root of a tile is.
    private static func hash(
        above id: TileID, in found: Found, _ edge: TileStack
    ) -> Digest? {
        let parent = id.parent
        if edge.isFull(parent) { return found.tiles[parent]?.tile[id.positionInParent] }
        guard edge.levels.indices.contains(parent.level),
            edge.levels[parent.level].indices.contains(id.positionInParent)
        else { return nil }
        return edge.levels[parent.level][id.positionInParent]
    }

    // MARK: Reading

    private func find(
        _ ids: Set<TileID>, readsAgain: Bool
    ) async throws(TreeError) -> Found {
        var found = Found()
        var missing: [TileID] = []
        for id in ids {
            if !readsAgain, let kept = cache.value(for: id) {
                found.tiles[id] = kept
                found.areKept = true
            } else {
                missing.append(id)
            }
        }
        let results = await withTaskGroup(of: (TileID, Result<KnownTile, TreeError>).self) {
            group in
            for id in missing { group.addTask { (id, await shared(id)) } }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        for (id, result) in results { found.tiles[id] = try result.get() }
        return found
    }

    private func shared(_ id: TileID) async -> Result<KnownTile, TreeError> {
        do throws(TreeError) {
            return .success(
                try await reading.value(for: id) {
                    do throws(TreeError) {
                        return .success(KnownTile(try await read(id)))
                    } catch {
                        return .failure(error)
                    }
                })
        } catch {
            return .failure(error)
        }
    }

    private func read(_ id: TileID) async throws(TreeError) -> Tile {
        let bytes: [UInt8]?
        do throws(LedgerStoreError) {
            bytes = try await stored(id)
        } catch {
            throw TreeError(error)
        }
        guard let bytes else {
            throw TreeError(.corrupt, "the stored tile \(id.level)/\(id.index) is missing")
        }
        do throws(FormatError) {
            return try Tile(id: id, bytes: bytes)
        } catch {
            throw TreeError(.corrupt, "the stored tile is damaged: \(error.message)")
        }
    }

    /// From the member's own copy, and only when that lacks it from the quorum (design.md, "Reading").
    private func stored(_ id: TileID) async throws(LedgerStoreError) -> [UInt8]? {
        do throws(LedgerStoreError) {
            if let own = try await store.tile(id, serializable: true) { return own }
        } catch {
            if error.isFinal { throw error }
        }
        return try await store.tile(id)
    }
}
