package import LedgerCore

/// Which objects an archive needs beside those of a smaller size, to be a whole log of a larger one (C2SP tlog-tiles;
/// formats.md, "Objects of an archive"); pure.
///
/// Full objects that the smaller log has are not among them; partial ones of exactly the larger size are.
package struct ArchivePlan: Hashable, Sendable {
    /// The size of the log that is there.
    package let from: UInt64
    /// The size of the log that is to be.
    package let size: UInt64

    package init(from: UInt64, to size: UInt64) {
        precondition(from <= size, "an archive never shrinks")
        self.from = from
        self.size = size
    }

    // MARK: What is to be made

    /// The bundles of entries, and the tiles of level 0 beside them.
    package var bundles: Range<UInt64> { tiles(level: 0) }

    /// How many levels of tiles the larger log has.
    package var levels: Int { Self.levels(size: size) }

    /// The tiles of a level that have hashes which the smaller log lacks.
    package func tiles(level: Int) -> Range<UInt64> {
        let before = TileStack.hashCount(size: from, level: level)
        let count = TileStack.hashCount(size: size, level: level)
        guard count > before else { return 0..<0 }
        let width = UInt64(TileID.width)
        return before / width..<(count + width - 1) / width
    }

    /// The ids segments that became full.
    package var segments: Range<UInt64> {
        let width = UInt64(IdSegment.width)
        return from / width..<size / width
    }

    /// How many hashes a tile has in the larger log: 256, or fewer for the last one of its level.
    package func width(level: Int, index: UInt64) -> Int {
        let count = TileStack.hashCount(size: size, level: level)
        return Int(min(count - index * UInt64(TileID.width), UInt64(TileID.width)))
    }

    // MARK: What is superseded

    /// The partial objects of the smaller log that the larger one does not have.
    package var superseded: [TilePath] {
        let present = Set(Self.partials(size: size))
        return Self.partials(size: from).filter { !present.contains($0) }
    }

    /// The partial objects of a log of a size: of entries and of each level that does not end with a full tile.
    package static func partials(size: UInt64) -> [TilePath] {
        let width = UInt64(TileID.width)
        var paths: [TilePath] = []
        for level in 0..<levels(size: size) {
            let count = TileStack.hashCount(size: size, level: level)
            guard !count.isMultiple(of: width) else { continue }
            let kinds: [TilePath.Kind] =
                level == 0 ? [.entries, .hashes(level: 0)] : [.hashes(level: level)]
            for kind in kinds {
                paths.append(
                    TilePath(kind: kind, index: count / width, width: Int(count % width)))
            }
        }
        return paths
    }

    private static func levels(size: UInt64) -> Int {
        var level = 0
        while TileStack.hashCount(size: size, level: level) > 0 { level += 1 }
        return level
    }
}
