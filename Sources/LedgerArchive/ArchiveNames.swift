package import LedgerCore
package import ObjectStorage

/// The names of an archive's objects (formats.md, "Objects of an archive").
package enum ArchiveNames {
    /// The signed checkpoint: the only object that changes.
    package static let checkpoint = name("checkpoint")

    /// `tile/entries/<N>[.p/<W>]` or `tile/<L>/<N>[.p/<W>]`.
    package static func tile(_ path: TilePath) -> ObjectName { name("tile/\(path.text)") }

    /// A bundle of entries: the events 256 * index + 1 and later, `width` of them.
    package static func bundle(_ index: UInt64, width: Int = TileID.width) -> ObjectName {
        tile(TilePath(kind: .entries, index: index, width: width))
    }

    /// A tile of hashes.
    package static func tile(_ id: TileID, width: Int = TileID.width) -> ObjectName {
        tile(TilePath(kind: .hashes(level: id.level), index: id.index, width: width))
    }

    /// `ids/<n>`, with 20 digits as in etcd's key.
    package static func segment(_ number: UInt64) -> ObjectName {
        var digits: [UInt8] = []
        DecimalText.appendPadded(number, to: &digits)
        return name("ids/\(String(decoding: digits, as: UTF8.self))")
    }

    /// What the names of all partial objects of a tile begin with: `tile/<L>/<N>.p/`.
    package static func partials(of path: TilePath) -> String {
        "tile/\(path.full.text).p/"
    }

    /// What all names of ids segments begin with.
    package static let segmentPrefix = "ids/"

    private static func name(_ text: String) -> ObjectName {
        // At most 60 bytes of digits, 'x', '.', 'p' and slashes, whatever the numbers are.
        guard let name = try? ObjectName(text) else { preconditionFailure("\(text) is no name") }
        return name
    }
}

/// An object of an archive, by what it holds.
package enum ArchiveObject: Hashable, Sendable {
    case checkpoint
    case tile(TilePath)
    case segment(UInt64)

    /// Reads a name; nil for any other than the one that `name` gives.
    package init?(_ name: ObjectName) {
        let text = name.text
        if name == ArchiveNames.checkpoint {
            self = .checkpoint
        } else if text.hasPrefix("tile/"), let path = TilePath(String(text.dropFirst(5))) {
            self = .tile(path)
        } else if text.hasPrefix(ArchiveNames.segmentPrefix),
            let number = DecimalText.padded(
                Array(text.utf8)[ArchiveNames.segmentPrefix.utf8.count...])
        {
            self = .segment(number)
        } else {
            return nil
        }
    }

    package var name: ObjectName {
        switch self {
        case .checkpoint: ArchiveNames.checkpoint
        case .tile(let path): ArchiveNames.tile(path)
        case .segment(let number): ArchiveNames.segment(number)
        }
    }

    /// No such object has more bytes: who reads one asks for no more.
    package var maxByteCount: Int {
        switch self {
        case .checkpoint: SignedNote.maxByteCount
        case .segment: IdSegment.byteCount
        case .tile(let path):
            switch path.kind {
            case .hashes: path.width * Digest.byteCount
            case .entries: path.width * (Block.lengthByteCount + EventLimits.maxEntryBytes)
            }
        }
    }
}
