/// Puts events that were sealed before into a store that has lost them: out of the same entries come the same blocks,
/// tiles, segments and head (protocol.md 27). Without any I/O.
package struct LedgerRestoration: Sendable {
    /// What one transaction restores: everything that it puts beside the counter.
    package struct Step: Sendable {
        /// The head that it continues.
        package let base: Head
        package let blocks: [(first: SequenceNumber, bytes: [UInt8])]
        package let tiles: [Tile]
        package let segments: [(number: UInt64, value: [UInt8])]
        package let head: Head

        /// The keys that it makes.
        package var keyCount: Int { blocks.count + tiles.count + segments.count }
    }

    /// What a transaction holds at most, well below etcd's own bounds: keys that are made, and bytes.
    package static let maxKeys = 96
    package static let maxBytes = 1 << 20

    /// Where the restored ledger ends so far.
    package private(set) var head: Head
    private var tiles: TileStack
    private var segment: IdSegment

    /// Goes on from a ledger that was read.
    package init(_ state: LedgerState) {
        head = state.head
        tiles = state.tiles
        segment = state.index.openSegment
    }

    /// Goes on behind events that are in the archive alone.
    ///
    /// - Parameters:
    ///   - segment: the ids of the events behind the last full segment.
    /// - Throws: where the parts do not end with the same event.
    package init(
        head: Head, tiles: TileStack, segment: IdSegment
    ) throws(FormatError) {
        let width = UInt64(IdSegment.width)
        guard tiles.frontier == head.tree, !segment.isFull,
            segment.number * width + UInt64(segment.count) == head.sequence.rawValue
        else {
            throw FormatError(.inconsistent, "the parts of a ledger's end do not belong together")
        }
        self.head = head
        self.tiles = tiles
        self.segment = segment
    }

    /// Takes blocks, in order, as many as one transaction may hold and one at least.
    ///
    /// - Parameter maxBytes: of all blocks together.
    /// - Returns: nil where there are no blocks.
    /// - Throws: where a block is none, or does not continue what is there; nothing of it may be restored then.
    package mutating func restore(
        _ blocks: inout ArraySlice<StoredBlock>, maxBytes: Int = LedgerRestoration.maxBytes
    ) throws(FormatError) -> Step? {
        let base = head
        var taken: [(first: SequenceNumber, bytes: [UInt8])] = []
        var newTiles: [Tile] = []
        var segments: [(number: UInt64, value: [UInt8])] = []
        var bytes = 0
        while let block = blocks.first {
            // A block completes at most five tiles and one segment.
            let keys = taken.count + newTiles.count + segments.count
            if !taken.isEmpty,
                keys + 16 > Self.maxKeys || bytes + block.bytes.count > maxBytes
            {
                break
            }
            blocks.removeFirst()
            let digest = try BlockDigest(first: block.first, bytes: block.bytes)
            try take(digest, &newTiles, &segments)
            taken.append((block.first, block.bytes))
            bytes += block.bytes.count
        }
        guard !taken.isEmpty else { return nil }
        return Step(base: base, blocks: taken, tiles: newTiles, segments: segments, head: head)
    }

    private mutating func take(
        _ block: BlockDigest, _ newTiles: inout [Tile],
        _ segments: inout [(number: UInt64, value: [UInt8])]
    ) throws(FormatError) {
        guard block.first == head.sequence.next, block.previousHash == head.eventHash,
            block.firstTimestamp >= head.sealedTimestamp
        else {
            throw FormatError(
                .linkBroken, "the block at number \(block.first) does not continue the ledger",
                at: block.first)
        }
        for (offset, leaf) in block.leaves.enumerated() {
            newTiles += tiles.append(leaf)
            segment.append(block.fingerprints[offset], startsBlock: offset == 0)
            if segment.isFull {
                segments.append((segment.number, segment.bytes))
                segment = IdSegment(number: segment.number + 1)
            }
        }
        head = Head(
            sequence: block.last, eventHash: block.lastEventHash,
            sealedTimestamp: block.lastTimestamp, tree: tiles.frontier)
    }
}
