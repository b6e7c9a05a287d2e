import EtcdGateway
import LedgerCore

/// Reading what has left etcd (protocol.md 26).
///
/// At or below the newest `trimmed` that was ever seen, the archive is asked at once. Above it, what is missing in
/// etcd is looked up in the key `archive`, which is read *after* the miss: so whatever was deleted before the miss is
/// at or below the `trimmed` that is found. What is above even that was never sealed, or is lost: a finding.
extension LedgerStore {
    /// The most tiles or segments of one page.
    private static var mostObjects: Int { 128 }
    /// A block begins at one of so many consecutive numbers at least.
    private static var blockReach: UInt64 { UInt64(Block.maxEntries) }

    /// Up to where events may have left etcd, read now; in the view of the one member whose copy this is.
    ///
    /// - Throws: `unsupportedFormat` where a later version writes the ledger by now: what this one misses may be where it
    ///   does not look.
    func trimmedNow() async throws(LedgerStoreError) -> SequenceNumber {
        let reads = [keys.archive, keys.format].map {
            EtcdOperation.range(EtcdRangeRequest(key: $0, serializable: source != nil))
        }
        let response = try await perform(EtcdTransaction(success: reads), timeout: nil)
        _ = try LedgerTransactions.format(in: response.range(1))
        return try noted(archiveIn: response.range(0))?.record.trimmed ?? .zero
    }

    /// Whether all that a tile is made of is at or below a number.
    static func covers(_ trimmed: SequenceNumber, _ tile: TileID) -> Bool {
        guard (0..<7).contains(tile.level) else { return false }
        return tile.index < trimmed.rawValue >> UInt64(TileID.height * (tile.level + 1))
    }

    /// The archive.
    ///
    /// - Throws: `notConfigured`.
    private func pastObjects() throws(LedgerStoreError) -> any ArchivedPast {
        guard let archived else { throw .archive(.notConfigured(location: past.location)) }
        return archived
    }

    // MARK: Blocks

    /// The block that begins at a number that is at or below `trimmed`; nil where none does.
    ///
    /// The archive has no blocks: the ids segments tell where they began, and the bundles have their bytes. What no
    /// archived segment tells is where a block ends that reaches `trimmed` and perhaps beyond. One that reaches
    /// beyond is still in etcd. So one that is not there, looked for after that `trimmed` was seen and while it is
    /// still the same, ends with it.
    func archivedBlock(
        _ first: SequenceNumber, _ bundles: inout ArchivedBundles
    ) async throws(LedgerStoreError) -> [UInt8]? {
        var trimmed = past.trimmed
        while true {
            guard try await blockStart(in: first...first) != nil else { return nil }
            let reach = first.advanced(by: Self.blockReach)
            let next =
                first < trimmed ? try await blockStart(in: first.next...min(reach, trimmed)) : nil
            if let next {
                return try await bundles.entries(first..<next, from: pastObjects(), trust)
            }
            guard reach > trimmed else {
                throw .archive(
                    .contradicts("ids segment \((first.rawValue - 1) / ArchiveRecord.trimStep)"))
            }
            if let own = try await storedBlock(first) { return own }
            let now = try await trimmedNow()
            if now == trimmed {
                return try await bundles.entries(first..<trimmed.next, from: pastObjects(), trust)
            }
            // The member whose copy this is does not know yet what others do.
            guard now > trimmed else { throw LedgerStoreError(.unavailable) }
            trimmed = now
        }
    }

    /// The blocks that begin at `from` or later and at or below `through`, which is at or below `trimmed`: a page of
    /// them.
    func archivedBlocks(
        from: SequenceNumber, through: SequenceNumber, limit: Int
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        var bundles = ArchivedBundles()
        var blocks: [StoredBlock] = []
        var bytes = 0
        var from = from
        while from <= through, blocks.count < limit, bytes < PageSizer.defaultTarget {
            let reach = from.advanced(by: Self.blockReach - 1)
            guard let first = try await blockStart(in: from...min(reach, through)) else {
                if reach >= through { break }
                throw .archive(
                    .contradicts("ids segment \((from.rawValue - 1) / ArchiveRecord.trimStep)"))
            }
            guard let block = try await archivedBlock(first, &bundles) else { break }
            blocks.append(StoredBlock(first: first, bytes: block))
            bytes += block.count
            from = first.next
        }
        return blocks
    }

    /// The newest block that begins at or below a number that is at or below `trimmed`.
    func archivedBlockStart(
        atOrBelow number: SequenceNumber
    ) async throws(LedgerStoreError) -> SequenceNumber? {
        guard number > .zero else { return nil }
        let lowest = number.rawValue > Self.blockReach ? number.rawValue - Self.blockReach + 1 : 1
        return try await blockStart(in: SequenceNumber(lowest)...number, newest: true)
    }

    /// The oldest, or newest, of some numbers at which a block begins, as the ids segments in the archive say.
    private func blockStart(
        in numbers: ClosedRange<SequenceNumber>, newest: Bool = false
    ) async throws(LedgerStoreError) -> SequenceNumber? {
        let width = ArchiveRecord.trimStep
        let places = (numbers.lowerBound.rawValue - 1)...(numbers.upperBound.rawValue - 1)
        var segments = Array(places.lowerBound / width...places.upperBound / width)
        if newest { segments.reverse() }
        for segment in segments {
            let starts = try await starts(inSegment: segment)
            let lowest = max(places.lowerBound, segment * width)
            let highest = min(places.upperBound, segment * width + width - 1)
            let isStart = { (place: UInt64) in starts[Int(place % width)] }
            let found =
                newest
                ? (lowest...highest).last(where: isStart)
                : (lowest...highest).first(where: isStart)
            if let found { return SequenceNumber(found + 1) }
        }
        return nil
    }

    private func starts(inSegment number: UInt64) async throws(LedgerStoreError) -> BlockStarts {
        if let known = past.starts.value(for: number) { return known }
        let archive = try pastObjects()
        let isKnown = archive.knows(segment: number)
        guard let starts = BlockStarts(segment: try await archive.segment(number, trust))
        else { throw .archive(.contradicts("ids segment \(number)")) }
        if trust == .checked, isKnown {
            past.starts.insert(starts, for: number, bytes: BlockStarts.byteCount)
        }
        return starts
    }

    // MARK: Segments and tiles

    /// The segments `from` and later that are below `trimmed`: a page of them.
    func archivedSegments(
        from: UInt64, end: UInt64, limit: Int
    ) async throws(LedgerStoreError) -> [StoredSegment] {
        let (archive, trust) = (try pastObjects(), trust)
        return try await objects(from..<end, limit: limit) {
            number throws(LedgerStoreError) in
            StoredSegment(
                key: keys.ids(number), bytes: try await archive.segment(number, trust))
        }
    }

    /// The tiles `from` and later that lie whole at or below `trimmed`: a page of them.
    func archivedTiles(
        level: Int, from: UInt64, end: UInt64, limit: Int
    ) async throws(LedgerStoreError) -> [(TileID, [UInt8])] {
        let archive = try pastObjects()
        return try await objects(from..<end, limit: limit) {
            index throws(LedgerStoreError) in
            let id = TileID(level: level, index: index)
            return (id, try await archive.tile(id))
        }
    }

    /// One tile that lies whole at or below `trimmed`.
    func archivedTile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8] {
        try await pastObjects().tile(id)
    }

    /// Reads objects, several at a time, in their order.
    private func objects<Object: Sendable>(
        _ numbers: Range<UInt64>, limit: Int,
        _ read: @escaping @Sendable (UInt64) async throws(LedgerStoreError) -> Object
    ) async throws(LedgerStoreError) -> [Object] {
        let wanted = Array(numbers.prefix(min(limit, Self.mostObjects)))
        let results = await withTaskGroup(of: (Int, Result<Object, LedgerStoreError>).self) {
            group in
            var results: [Int: Result<Object, LedgerStoreError>] = [:]
            var next = 0
            func begin() {
                guard next < wanted.count else { return }
                let place = next
                next += 1
                group.addTask {
                    do throws(LedgerStoreError) {
                        return (place, .success(try await read(wanted[place])))
                    } catch {
                        return (place, .failure(error))
                    }
                }
            }
            for _ in 0..<objectsAtOnce { begin() }
            while let (place, result) = await group.next() {
                results[place] = result
                // What comes after a failure is of no use.
                if case .success = result { begin() }
            }
            return results
        }
        var objects: [Object] = []
        for place in wanted.indices {
            switch results[place] {
            case .success(let object): objects.append(object)
            // What came before it may be used; the next page begins with it, and tells.
            case .failure(let error):
                if objects.isEmpty { throw error }
                return objects
            case nil: return objects
            }
        }
        return objects
    }
}

/// Entry bundles of the archive, the last of which is kept for the block that follows.
struct ArchivedBundles {
    private static let width = UInt64(TileID.width)

    private var index: UInt64?
    private var bytes: [UInt8] = []
    /// Where each entry begins, its length included, and the end.
    private var offsets: [Int] = []

    /// The events of some numbers as a block holds them: the framing of both is the same.
    mutating func entries(
        _ numbers: Range<SequenceNumber>, from archive: any ArchivedPast, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] {
        var block: [UInt8] = []
        var place = numbers.lowerBound.rawValue - 1
        let end = numbers.upperBound.rawValue - 1
        guard end - place <= UInt64(Block.maxEntries) else { throw wrong(place / Self.width) }
        while place < end {
            let bundle = place / Self.width
            if index != bundle {
                let found = try await archive.bundle(bundle, trust)
                try read(bundle, found)
            }
            let last = min(end, (bundle + 1) * Self.width)
            let first = Int(place % Self.width)
            block += bytes[offsets[first]..<offsets[first + Int(last - place)]]
            place = last
        }
        let most =
            Block.maxEntryBytes + Int(end - numbers.lowerBound.rawValue + 1) * Block.lengthByteCount
        guard block.count <= most else { throw wrong((end - 1) / Self.width) }
        return block
    }

    private mutating func read(
        _ bundle: UInt64, _ found: [UInt8]
    ) throws(LedgerStoreError) {
        index = nil
        offsets.removeAll(keepingCapacity: true)
        var entries = FramedEntries(found)
        while offsets.count < TileID.width, let entry = entries.next() {
            offsets.append(entry.startIndex - Block.lengthByteCount)
        }
        guard entries.isAtEnd, offsets.count == TileID.width else { throw wrong(bundle) }
        offsets.append(found.count)
        bytes = found
        index = bundle
    }

    private func wrong(_ bundle: UInt64) -> LedgerStoreError {
        .archive(.contradicts("entry bundle \(bundle)"))
    }
}
