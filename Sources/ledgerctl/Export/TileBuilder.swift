internal import LedgerCore
internal import LedgerVerify

/// Turns entries, one after another from the first on, into the files of a C2SP tlog-tiles folder.
///
/// It holds at most 255 entries, and 255 hashes of each level.
struct TileBuilder {
    /// A file of the folder.
    struct File {
        /// Its path in the folder, such as `tile/0/x001/x234/067`.
        let name: String
        let bytes: [UInt8]
    }

    private var stack = TileStack()
    private var chain = ChainVerifier(after: 0, hash: .zero, timestamp: nil)
    private var bundle: [UInt8] = []

    /// How many entries there are.
    var size: UInt64 { stack.size }

    /// The hash of the last entry; zeros before the first.
    var lastHash: LedgerHash { chain.lastHash ?? .zero }

    /// The root of the tree over them.
    var rootHash: LedgerHash { LedgerHash(stack.frontier.root) }

    /// Appends an entry, which must be the next one of the chain.
    ///
    /// - Returns: The files that are complete with it: those of hashes first, so that entries which are there have
    ///   theirs.
    mutating func append(
        _ entry: LedgerVerify.SealedEntry
    ) throws(VerificationError) -> [File] {
        let leaf = entry.leafHash
        try chain.append(entry, hash: entry.hash, leafHash: nil)
        Block.append(entry.view.bytes, to: &bundle)
        let tiles = stack.append(leaf.digest)
        guard !tiles.isEmpty else { return [] }
        let entries = File(name: Self.entriesName(size / UInt64(TileID.width) - 1), bytes: bundle)
        bundle.removeAll(keepingCapacity: true)
        return tiles.map {
            File(
                name: Self.name(TilePath(kind: .hashes(level: $0.level), index: $0.index)),
                bytes: $0.bytes)
        } + [entries]
    }

    /// The files of the tree's right edge, which hold fewer than 256 of each.
    var partialFiles: [File] {
        let names = Self.partialNames(size: size)
        let hashes = stack.levels.filter { !$0.isEmpty }.map { $0.flatMap(\.bytes) }
        return zip(names, hashes + [bundle]).map { File(name: $0, bytes: $1) }
    }

    /// The names of those files for a tree of a size, lowest level first and entries last.
    static func partialNames(size: UInt64) -> [String] {
        var names: [String] = []
        var hashes = size
        var level = 0
        while hashes > 0 {
            let width = Int(hashes % UInt64(TileID.width))
            hashes /= UInt64(TileID.width)
            if width > 0 {
                names.append(
                    name(TilePath(kind: .hashes(level: level), index: hashes, width: width)))
            }
            level += 1
        }
        let width = Int(size % UInt64(TileID.width))
        guard width > 0 else { return names }
        return names + [entriesName(size / UInt64(TileID.width), width: width)]
    }

    /// The name of a bundle of entries.
    static func entriesName(_ index: UInt64, width: Int = TileID.width) -> String {
        name(TilePath(kind: .entries, index: index, width: width))
    }

    private static func name(_ path: TilePath) -> String { "tile/\(path.text)" }
}
