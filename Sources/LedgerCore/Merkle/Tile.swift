/// The place of a tile: its level and its index at that level (formats.md, "Keys in etcd", `tiles/`).
package struct TileID: Hashable, Sendable {
    /// The number of hashes of a full tile.
    package static let width = 256

    /// The height of a tile in levels of the tree.
    package static let height = 8

    /// 0 for leaf hashes; each hash of level l+1 is the root of a full tile of level l.
    package let level: Int

    package let index: UInt64

    package init(level: Int, index: UInt64) {
        self.level = level
        self.index = index
    }

    /// The tile one level up, which has this one's root among its hashes.
    package var parent: TileID {
        TileID(level: level + 1, index: index / UInt64(Self.width))
    }

    /// The place of this tile's root in `parent`: 0..<256.
    package var positionInParent: Int { Int(index % UInt64(Self.width)) }
}

/// A full tile: 256 consecutive hashes of one level.
package struct Tile: Hashable, Sendable {
    /// The length of a full tile in bytes.
    package static let byteCount = TileID.width * Digest.byteCount

    package let id: TileID

    /// 8,192 bytes.
    package let bytes: [UInt8]

    package var level: Int { id.level }

    package var index: UInt64 { id.index }

    /// Takes a stored tile, whose value must have 8,192 bytes.
    package init(id: TileID, bytes: [UInt8]) throws(FormatError) {
        guard bytes.count == Self.byteCount else {
            throw FormatError(
                .outOfBounds,
                "tile \(id.level)/\(id.index) has \(bytes.count) bytes instead of 8192")
        }
        self.id = id
        self.bytes = bytes
    }

    /// Takes 256 hashes.
    init(id: TileID, hashes: [Digest]) {
        precondition(hashes.count == TileID.width)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        for hash in hashes { hash.append(to: &bytes) }
        self.id = id
        self.bytes = bytes
    }

    /// The hash at a position 0..<256.
    package subscript(position: Int) -> Digest {
        precondition((0..<TileID.width).contains(position))
        return bytes.withUnsafeBytes {
            Digest(
                reading: UnsafeRawBufferPointer(
                    rebasing: $0[(position * Digest.byteCount)...]))
        }
    }

    /// The 256 hashes.
    package var hashes: [Digest] { (0..<TileID.width).map { self[$0] } }

    /// The root of the subtree over the 256 hashes: a hash of the level above.
    package var root: Digest { MerkleTree.root(of: hashes) }
}
