import EtcdGateway
package import LedgerCore

/// Reads of blocks, ids segments and tiles: from etcd, and from the archive what may have left it (protocol.md 26).
///
/// A serializable read proves no absence, so what it misses is not looked for in the archive: whoever asks for one asks
/// again for certain.
extension LedgerStore {
    // MARK: Blocks

    /// One block's stored bytes, or nil when no block begins at that number.
    package func block(
        first: SequenceNumber, serializable: Bool = false
    ) async throws(LedgerStoreError) -> [UInt8]? {
        if first > past.trimmed {
            if let own = try await storedBlock(first, serializable: serializable) { return own }
            guard try await isTrimmed(first, serializable: serializable) else { return nil }
        }
        var bundles = ArchivedBundles()
        return try await archivedBlock(first, &bundles)
    }

    /// Stored blocks in ascending order, beginning with the first that starts at `from` or later and ending
    /// before the first that starts beyond `through`: a page of them.
    ///
    /// Immutable keys are read without pinning a revision, which could be compacted away (protocol.md 24). A page ends
    /// before a gap, so that a page which begins with one is looked for in the archive.
    ///
    /// - Parameter expected: the number at which the first block should begin, where that is not `from`: what begins
    ///   later leaves a gap.
    package func blocks(
        from: SequenceNumber, through: SequenceNumber, limit: Int, serializable: Bool = false,
        expected: SequenceNumber? = nil
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        let expected = max(expected ?? from, from)
        var trimmed = past.trimmed
        while true {
            if from <= trimmed {
                let page = try await archivedBlocks(
                    from: from, through: min(through, trimmed), limit: limit)
                if !page.isEmpty || through <= trimmed { return page }
            }
            let page = try await storedBlocks(
                from: from, through: through, limit: limit, serializable: serializable)
            if let first = page.first?.first, first <= expected { return page }
            guard expected <= through, !isInconclusive(serializable) else { return page }
            let now = try await trimmedNow()
            guard now > trimmed, expected <= now else { return page }
            trimmed = now
        }
    }

    /// The number at which the newest block begins that begins at or below a number.
    ///
    /// A block holds at most 1,024 events, so only that many keys are looked at; nil where none is among them.
    package func newestBlockStart(
        atOrBelow number: SequenceNumber
    ) async throws(LedgerStoreError) -> SequenceNumber? {
        if number > past.trimmed {
            if let own = try await newestStoredBlockStart(atOrBelow: number) { return own }
            guard try await isTrimmed(number) else { return nil }
        }
        return try await archivedBlockStart(atOrBelow: number)
    }

    // MARK: Segments and tiles

    /// Stored ids segments `from` up to but excluding `end`, at most `limit` of them; a page ends before a gap.
    package func segments(
        from: UInt64, end: UInt64, limit: Int
    ) async throws(LedgerStoreError) -> [StoredSegment] {
        func archivedEnd(_ trimmed: SequenceNumber) -> UInt64 {
            min(end, trimmed.rawValue / ArchiveRecord.trimStep)
        }
        if from < archivedEnd(past.trimmed) {
            return try await archivedSegments(
                from: from, end: archivedEnd(past.trimmed), limit: limit)
        }
        let request = EtcdRangeRequest(
            key: keys.ids(from), rangeEnd: keys.ids(end), limit: Int64(limit))
        let found = try await range(request).kvs.map {
            StoredSegment(key: $0.key, bytes: $0.value)
        }
        let whole = Self.run(found, from: from) { keys.segmentNumber($0.key) }
        if !whole.isEmpty || from >= end { return whole }
        let trimmed = archivedEnd(try await trimmedNow())
        guard from < trimmed else { return found }
        return try await archivedSegments(from: from, end: trimmed, limit: limit)
    }

    /// Stored tiles of one level, `from` up to but excluding `end`, at most `limit` of them; a page ends before a gap.
    package func tiles(
        level: Int, from: UInt64, end: UInt64, limit: Int
    ) async throws(LedgerStoreError) -> [Tile] {
        let found = try await tileValues(level: level, from: from, end: end, limit: limit)
        var tiles: [Tile] = []
        for (offset, (found, bytes)) in found.enumerated() {
            let id = TileID(level: level, index: from + UInt64(offset))
            guard found == id else {
                throw .inconsistent(.malformed("tile \(id.level)/\(id.index) is missing"))
            }
            do throws(FormatError) {
                tiles.append(try Tile(id: id, bytes: bytes))
            } catch {
                throw .inconsistent(.malformed("tile \(id.level)/\(id.index): \(error.message)"))
            }
        }
        return tiles
    }

    /// One tile's stored bytes, whatever they are, or nil when there is no such tile.
    ///
    /// Level 0 alone is sure to have left etcd below `trimmed`; what is missing of the others is looked for in the
    /// archive as well.
    package func tile(
        _ id: TileID, serializable: Bool = false
    ) async throws(LedgerStoreError) -> [UInt8]? {
        if id.level == 0, Self.covers(past.trimmed, id) { return try await archivedTile(id) }
        let request = EtcdRangeRequest(key: keys.tile(id), serializable: serializable)
        if let own = try await range(request, .block).kvs.first?.value { return own }
        if !Self.covers(past.trimmed, id) {
            guard !isInconclusive(serializable), Self.covers(try await trimmedNow(), id) else {
                return nil
            }
        }
        return try await archivedTile(id)
    }

    /// Stored tiles of one level as they are, `from` and later, a page of them; it ends before a gap.
    package func tileValues(
        level: Int, from: UInt64, sizer: inout PageSizer
    ) async throws(LedgerStoreError) -> [(TileID, [UInt8])] {
        try await sizer.page(bytes: Self.byteCount) { limit async throws(LedgerStoreError) in
            try await tileValues(level: level, from: from, end: nil, limit: limit)
        }
    }

    private static func byteCount(_ tile: (TileID, [UInt8])) -> Int { tile.1.count }

    private func tileValues(
        level: Int, from: UInt64, end: UInt64?, limit: Int
    ) async throws(LedgerStoreError) -> [(TileID, [UInt8])] {
        let first = TileID(level: level, index: from)
        func archived(
            _ trimmed: SequenceNumber
        ) async throws(LedgerStoreError) -> [(TileID, [UInt8])] {
            let whole = trimmed.rawValue >> UInt64(TileID.height * (level + 1))
            return try await archivedTiles(
                level: level, from: from, end: min(end ?? whole, whole), limit: limit)
        }
        if from >= end ?? .max { return [] }
        if level == 0, Self.covers(past.trimmed, first) { return try await archived(past.trimmed) }
        let bounds = keys.tiles(level: level, from: from)
        let request = EtcdRangeRequest(
            key: bounds.key,
            rangeEnd: end.map { keys.tile(TileID(level: level, index: $0)) } ?? bounds.rangeEnd,
            limit: Int64(limit))
        let found = try await range(request).kvs.compactMap { pair in
            keys.tileID(pair.key).map { ($0, pair.value) }
        }
        let whole = Self.run(found, from: from) { $0.0.index }
        if !whole.isEmpty { return whole }
        guard Self.covers(try await trimmedNow(), first) else { return found }
        return try await archived(past.trimmed)
    }

    // MARK: What etcd has

    /// Whether a read says nothing of what it misses.
    private func isInconclusive(_ serializable: Bool) -> Bool { serializable && source == nil }

    /// Whether what was missed at a number may have left etcd.
    private func isTrimmed(
        _ number: SequenceNumber, serializable: Bool = false
    ) async throws(LedgerStoreError) -> Bool {
        if isInconclusive(serializable) { return false }
        return try await number <= trimmedNow()
    }

    /// The items that are consecutive from a number on, as far as there are any.
    private static func run<Item>(
        _ items: [Item], from first: UInt64, _ number: (Item) -> UInt64?
    ) -> [Item] {
        var next = first
        return Array(
            items.prefix {
                defer { next += 1 }
                return number($0) == next
            })
    }

    /// A block as etcd has it.
    func storedBlock(
        _ first: SequenceNumber, serializable: Bool = false
    ) async throws(LedgerStoreError) -> [UInt8]? {
        let request = EtcdRangeRequest(key: keys.block(first), serializable: serializable)
        return try await range(request, .block).kvs.first?.value
    }

    /// Blocks as etcd has them, up to the first gap between two of them.
    private func storedBlocks(
        from: SequenceNumber, through: SequenceNumber, limit: Int, serializable: Bool
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        let bounds = keys.blocks(from...through)
        let request = EtcdRangeRequest(
            key: bounds.key, rangeEnd: bounds.rangeEnd,
            limit: Int64(limit), serializable: serializable)
        var blocks: [StoredBlock] = []
        for pair in try await range(request).kvs {
            guard let first = keys.blockNumber(pair.key) else {
                throw .inconsistent(.malformed("a block under a key that is no number"))
            }
            if let next = blocks.last?.next, first > next { break }
            blocks.append(StoredBlock(first: first, bytes: pair.value))
        }
        return blocks
    }

    /// As `newestBlockStart`, of the blocks that etcd has.
    package func newestStoredBlockStart(
        atOrBelow number: SequenceNumber
    ) async throws(LedgerStoreError) -> SequenceNumber? {
        let reach = UInt64(Block.maxEntries - 1)
        let lowest = SequenceNumber(number.rawValue > reach ? number.rawValue - reach : 1)
        let bounds = keys.blocks(lowest...max(lowest, number))
        let request = EtcdRangeRequest(
            key: bounds.key, rangeEnd: bounds.rangeEnd, keysOnly: true)
        return try await range(request).kvs.last.flatMap {
            keys.blockNumber($0.key)
        }
    }
}

/// A segment of the id index as it is stored.
package struct StoredSegment: Hashable, Sendable {
    package let key: [UInt8]
    package let bytes: [UInt8]
}
