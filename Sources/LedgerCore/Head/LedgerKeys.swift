/// The keys of one ledger in etcd (formats.md, "Keys in etcd").
package struct LedgerKeys: Hashable, Sendable {
    /// A half-open range of keys, as etcd's requests take it.
    package struct Range: Hashable, Sendable {
        package let key: [UInt8]
        package let rangeEnd: [UInt8]

        package init(key: [UInt8], rangeEnd: [UInt8]) {
            self.key = key
            self.rangeEnd = rangeEnd
        }
    }

    /// `LEDGER_PREFIX`, with which every key begins.
    package let prefix: [UInt8]

    package let counter: [UInt8]
    package let head: [UInt8]
    package let format: [UInt8]
    package let sealer: [UInt8]
    package let checkpoint: [UInt8]
    package let fence: [UInt8]
    package let archive: [UInt8]
    package let archivedIds: [UInt8]

    private let blocks: [UInt8]
    private let segments: [UInt8]
    private let tiles: [UInt8]

    package init(prefix: String) {
        let prefix = Array(prefix.utf8)
        self.prefix = prefix
        counter = prefix + Array("sequence_counter".utf8)
        head = prefix + Array("head".utf8)
        format = prefix + Array("format".utf8)
        sealer = prefix + Array("sealer".utf8)
        checkpoint = prefix + Array("checkpoint".utf8)
        fence = prefix + Array("fence".utf8)
        archive = prefix + Array("archive".utf8)
        archivedIds = prefix + Array("archived_ids".utf8)
        blocks = prefix + Array("events/".utf8)
        segments = prefix + Array("ids/".utf8)
        tiles = prefix + Array("tiles/".utf8)
    }

    /// `events/<first>`: the block whose first event has this number.
    package func block(_ first: SequenceNumber) -> [UInt8] {
        Self.numbered(blocks, first.rawValue)
    }

    /// `ids/<n>`.
    package func ids(_ segment: UInt64) -> [UInt8] {
        Self.numbered(segments, segment)
    }

    /// `tiles/<level>/<n>`.
    package func tile(_ id: TileID) -> [UInt8] {
        Self.numbered(level(id.level), id.index)
    }

    /// The number in a block's key, 1..<2^63; nil for any other key.
    package func blockNumber(_ key: [UInt8]) -> SequenceNumber? {
        guard let number = Self.number(in: key, after: blocks).map({ SequenceNumber($0) }) else {
            return nil
        }
        return number.isLedgerNumber ? number : nil
    }

    /// The number in the key of an ids segment; nil for any other key.
    package func segmentNumber(_ key: [UInt8]) -> UInt64? {
        Self.number(in: key, after: segments)
    }

    /// The level and number in a tile's key; nil for any other key.
    package func tileID(_ key: [UInt8]) -> TileID? {
        guard key.starts(with: tiles) else { return nil }
        let rest = key.dropFirst(tiles.count)
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")),
            let level = DecimalText.canonical(rest[..<slash]), level < 8,
            let index = DecimalText.padded(rest[(slash + 1)...])
        else { return nil }
        return TileID(level: Int(level), index: index)
    }

    /// All blocks.
    package var allBlocks: Range { Self.everything(below: blocks) }

    /// All ids segments.
    package var allSegments: Range { Self.everything(below: segments) }

    /// The blocks whose keys have a number of `first` or more.
    package func blocks(from first: SequenceNumber) -> Range {
        Range(key: block(first), rangeEnd: allBlocks.rangeEnd)
    }

    /// The blocks whose keys have a number of `first...last`.
    package func blocks(_ bounds: ClosedRange<SequenceNumber>) -> Range {
        Range(key: block(bounds.lowerBound), rangeEnd: block(bounds.upperBound.next))
    }

    /// The ids segments `first` and later.
    package func segments(from first: UInt64) -> Range {
        Range(key: ids(first), rangeEnd: allSegments.rangeEnd)
    }

    /// The tiles of a level with the numbers `first` and later.
    package func tiles(level: Int, from first: UInt64) -> Range {
        Range(
            key: tile(TileID(level: level, index: first)),
            rangeEnd: Self.everything(below: self.level(level)).rangeEnd)
    }

    /// Every key of the ledger.
    package var everything: Range { Self.everything(below: prefix) }

    private func level(_ level: Int) -> [UInt8] {
        tiles + Array("\(level)/".utf8)
    }

    private static func numbered(_ base: [UInt8], _ number: UInt64) -> [UInt8] {
        var key = base
        key.reserveCapacity(base.count + DecimalText.paddedWidth)
        DecimalText.appendPadded(number, to: &key)
        return key
    }

    private static func number(in key: [UInt8], after base: [UInt8]) -> UInt64? {
        key.starts(with: base) ? DecimalText.padded(key.dropFirst(base.count)) : nil
    }

    /// The range of the keys that begin with a prefix. Where no key is greater than all of them,
    /// etcd's "\0" stands for the end of the key space; with an empty prefix the lowest key is "\0"
    /// too.
    private static func everything(below prefix: [UInt8]) -> Range {
        var end = prefix
        while let last = end.popLast() {
            if last < 0xFF { return Range(key: prefix, rangeEnd: end + [last + 1]) }
        }
        return Range(key: prefix.isEmpty ? [0] : prefix, rangeEnd: [0])
    }
}
