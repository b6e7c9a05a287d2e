import EtcdGateway
import LedgerCore
import LedgerStore
import ObjectStorage

/// The writing part of a recovery: what was verified is read once more, compared with what was found then, and put under
/// the sealing transaction's own comparisons.
struct RecoveryWork {
    private let store: LedgerStore
    private let scan: ArchiveScan
    private let archive: VerifiedArchive
    private let location: String
    private var observation: LedgerObservation

    init(
        store: LedgerStore, scan: ArchiveScan, archive: VerifiedArchive, location: String,
        observation: LedgerObservation
    ) {
        self.store = store
        self.scan = scan
        self.archive = archive
        self.location = location
        self.observation = observation
    }

    // MARK: Restoring

    /// Restores everything behind the store's head.
    ///
    /// - Parameter trimmed: where the store is empty, up to where events stay in the archive alone.
    mutating func restore(
        trimmed: SequenceNumber, progress: (UInt64) -> Void
    ) async throws(RecoveryError) {
        var beginning: TrimmedBeginning?
        var restoration: LedgerRestoration
        if observation.head.sequence == .zero, trimmed > .zero {
            let start = try await start(behind: trimmed)
            try await put(higherTiles(start.size))
            // No more than what is restored with it: should this end here, the key must be true of the ledger that there
            // is, which others may go on with.
            beginning = TrimmedBeginning(
                archive: try record(through: trimmed, trimmed: trimmed),
                ids: segments(Int(trimmed.rawValue / ArchiveRecord.trimStep)))
            restoration = start.restoration
        } else {
            let state = try await load()
            try await compare(state.index)
            restoration = LedgerRestoration(state)
        }
        let from = restoration.head.sequence
        var cutter = BlockCutter(first: from.next)
        var waiting: [StoredBlock] = []
        for number in (from.rawValue / UInt64(IdSegment.width))..<scan.chunkCount {
            waiting += try await blocks(number, behind: from, &cutter)
            if number + 1 == scan.chunkCount, let last = cutter.finish() { waiting.append(last) }
            var rest = waiting[...]
            while !rest.isEmpty {
                let step: LedgerRestoration.Step?
                do throws(FormatError) {
                    step = try restoration.restore(&rest)
                } catch {
                    throw .archiveChanged("the archive (\(error.message))")
                }
                guard let step else { break }
                try await put(step, beginning)
                beginning = nil
                progress(observation.head.sequence.rawValue)
            }
            waiting = Array(rest)
        }
    }

    /// What the store has.
    private func load() async throws(RecoveryError) -> LedgerState {
        do throws(LedgerStoreError) {
            return try await LedgerLoader(store).load(
                upTo: observation, indexSeed: .random(in: .min ... .max))
        } catch {
            throw .store(error)
        }
    }

    /// Ids segments say where blocks begin, and the tree says nothing of that. Where the store's blocks are others than
    /// the archive's, the segments that follow from them would be others than the archived ones, and nothing could ever
    /// leave etcd again.
    private func compare(_ index: IdIndex) async throws(RecoveryError) {
        let full = index.fullSegments
        guard segments(Int(full.count)) == full else { throw .otherBlocks }
        let open = index.openSegment
        guard full.count < UInt64(archive.segments.count),
            let archived = try await chunk(full.count).1
        else { return }
        for position in 0..<open.count {
            guard archived.startsBlock(at: position) == open.startsBlock(at: position),
                archived.fingerprint(at: position) == open.fingerprint(at: position)
            else { throw .otherBlocks }
        }
        guard archived.startsBlock(at: open.count) else { throw .otherBlocks }
    }

    /// The blocks of a chunk that end in it, without those that the store has.
    private func blocks(
        _ number: UInt64, behind from: SequenceNumber, _ cutter: inout BlockCutter
    ) async throws(RecoveryError) -> [StoredBlock] {
        let (bundles, segment) = try await chunk(number)
        var blocks: [StoredBlock] = []
        var place = number * UInt64(IdSegment.width)
        for bundle in bundles {
            for entry in bundle.entries {
                place += 1
                guard place > from.rawValue else { continue }
                let position = Int((place - 1) % UInt64(IdSegment.width))
                let starts =
                    place == from.rawValue + 1
                    ? true : segment.map { $0.startsBlock(at: position) }
                if let block = cutter.append(entry, startsBlock: starts) { blocks.append(block) }
            }
        }
        return blocks
    }

    /// A chunk as it was verified.
    private func chunk(
        _ number: UInt64
    ) async throws(RecoveryError) -> ([BundleDigest], IdSegment?) {
        do throws(ArchiveFinding) {
            let chunk = try await scan.chunk(number)
            let first = number * ArchiveScan.bundlesPerChunk
            let bundles = try await BundleDigest.decode(chunk.bundles, first: first, scan)
            for (offset, bundle) in bundles.enumerated() {
                let index = first + UInt64(offset)
                let isKnown =
                    index < UInt64(archive.tileRoots.count)
                    ? MerkleTree.root(of: bundle.events.leaves) == archive.tileRoots[Int(index)]
                    : bundle.events.leaves == archive.tiles.levels[0]
                guard isKnown else {
                    throw .wrong(
                        ArchiveNames.bundle(index, width: scan.width(index)),
                        "it is not what it was when it was verified")
                }
            }
            guard let bytes = chunk.segment else { return (bundles, nil) }
            guard SegmentsDigest.ofSegment(bytes) == archive.segments[Int(number)],
                let segment = try? IdSegment(number: number, decoding: bytes)
            else {
                throw .wrong(
                    ArchiveNames.segment(number), "it is not what it was when it was verified")
            }
            return (bundles, segment)
        } catch {
            throw .archive(error)
        }
    }

    // MARK: Beginning behind trimmed events

    /// The state before the block that holds the first event that etcd is to have: it may begin in what is trimmed.
    private func start(
        behind trimmed: SequenceNumber
    ) async throws(RecoveryError) -> (restoration: LedgerRestoration, size: UInt64) {
        let first = try await blockStart(of: trimmed.next)
        let size = first.rawValue - 1
        let chunk = size / UInt64(IdSegment.width)
        let (bundles, full) = try await self.chunk(chunk)
        var segment = IdSegment(number: chunk)
        var tail: [Digest] = []
        var last: (hash: EventHash, timestamp: Int64) = (.zero, .min)
        let tailBegins = size / UInt64(TileID.width) * UInt64(TileID.width)
        var place = chunk * UInt64(IdSegment.width)
        for bundle in bundles {
            for (offset, entry) in bundle.entries.enumerated() where place < size {
                place += 1
                let position = Int((place - 1) % UInt64(IdSegment.width))
                segment.append(
                    bundle.events.fingerprints[offset],
                    startsBlock: full?.startsBlock(at: position) ?? false)
                if place > tailBegins { tail.append(bundle.events.leaves[offset]) }
                if place == size { last = try Self.end(entry) }
            }
        }
        if size > 0, place == chunk * UInt64(IdSegment.width) {
            // The event before is the last one of the chunk before.
            let (before, _) = try await self.chunk(chunk - 1)
            if let bundle = before.last {
                last = (bundle.events.lastEventHash, bundle.events.lastTimestamp)
            }
        }
        let edge = try await tiles(TileStack.tilesToLoad(size: size))
        do throws(FormatError) {
            let tiles = try TileStack(size: size, tiles: edge, tail: tail)
            let head = Head(
                sequence: SequenceNumber(rawValue: size), eventHash: last.hash,
                sealedTimestamp: last.timestamp, tree: tiles.frontier)
            return (try LedgerRestoration(head: head, tiles: tiles, segment: segment), size)
        } catch {
            throw .archiveChanged("the archive (\(error.message))")
        }
    }

    private static func end(
        _ entry: ArraySlice<UInt8>
    ) throws(RecoveryError) -> (EventHash, Int64) {
        do throws(FormatError) {
            let view = try EntryView(decoding: entry)
            return (view.eventHash, view.sealedTimestamp)
        } catch {
            throw .archiveChanged("the archive (\(error.message))")
        }
    }

    /// Where the block begins that holds a number.
    private func blockStart(
        of number: SequenceNumber
    ) async throws(RecoveryError) -> SequenceNumber {
        let width = UInt64(IdSegment.width)
        var place = number.rawValue
        var chunk = (place - 1) / width
        // Behind the last full segment nothing is recorded: then a block begins with the number.
        guard (chunk + 1) * width <= scan.size else { return number }
        var segment = try await self.chunk(chunk).1
        while place > 1 {
            if segment?.startsBlock(at: Int((place - 1) % width)) ?? true { break }
            place -= 1
            if (place - 1) / width < chunk {
                chunk -= 1
                segment = try await self.chunk(chunk).1
            }
        }
        return SequenceNumber(rawValue: place)
    }

    /// The tiles that stay in etcd when everything up to a size is trimmed: of level 1 those that are not under a full one, and
    /// all of the levels above.
    private func higherTiles(_ size: UInt64) async throws(RecoveryError) -> [Tile] {
        var wanted = TileStack.tilesToLoad(size: size).filter { $0.level == 1 }
        var level = 2
        while TileStack.hashCount(size: size, level: level + 1) > 0 {
            for index in 0..<TileStack.hashCount(size: size, level: level + 1) {
                wanted.append(TileID(level: level, index: index))
            }
            level += 1
        }
        return try await tiles(wanted)
    }

    private func tiles(_ wanted: [TileID]) async throws(RecoveryError) -> [Tile] {
        do throws(ArchiveFinding) {
            var tiles: [Tile] = []
            for part in stride(from: 0, to: wanted.count, by: 32) {
                let ids = wanted[part..<min(part + 32, wanted.count)]
                let found = try await scan.read(
                    ids.map { .tile(TilePath(kind: .hashes(level: $0.level), index: $0.index)) })
                for (id, bytes) in zip(ids, found) {
                    guard let tile = try? Tile(id: id, bytes: bytes), isKnown(tile) else {
                        throw .wrong(
                            ArchiveNames.tile(id), "it is not what it was when it was verified")
                    }
                    tiles.append(tile)
                }
            }
            return tiles
        } catch {
            throw .archive(error)
        }
    }

    /// Whether a full tile is the one that was verified: its hashes follow from the roots of level 0.
    private func isKnown(_ tile: Tile) -> Bool {
        let roots = archive.tileRoots
        // So many tiles of level 0 are below it; their roots are the hashes of level 1.
        let count = 1 << (TileID.height * tile.level)
        let first = Int(tile.index) * count
        guard first + count <= roots.count else { return false }
        return MerkleTree.root(of: Array(roots[first..<first + count])) == tile.root
    }

    /// Of the first segments of the archive.
    private func segments(_ count: Int) -> SegmentsDigest {
        var digest = SegmentsDigest()
        for segment in archive.segments.prefix(count) { digest.append(segment) }
        return digest
    }

    private func record(
        through: SequenceNumber, trimmed: SequenceNumber
    ) throws(RecoveryError) -> ArchiveRecord {
        do throws(FormatError) {
            return try ArchiveRecord(location: location, through: through, trimmed: trimmed)
        } catch {
            throw .store(.inconsistent(.malformed(error.message)))
        }
    }

    // MARK: Putting

    private func put(_ tiles: [Tile]) async throws(RecoveryError) {
        for part in stride(from: 0, to: tiles.count, by: 64) {
            let isPut: Bool
            do throws(LedgerStoreError) {
                isPut = try await store.restore(
                    Array(tiles[part..<min(part + 64, tiles.count)]))
            } catch {
                throw .store(error)
            }
            guard isPut else { throw .changed }
        }
    }

    /// Puts one step; one whose answer was lost is looked for before it is sent again.
    private mutating func put(
        _ step: LedgerRestoration.Step, _ beginning: TrimmedBeginning?
    ) async throws(RecoveryError) {
        do throws(LedgerStoreError) {
            observation = try await store.restore(step, on: observation, beginning: beginning)
        } catch {
            if case .inconsistent = error.code { throw .changed }
            throw .store(error)
        }
    }

    /// Records how far the archive is, and puts its signed checkpoint where the store has an older one.
    func finish() async throws(RecoveryError) {
        try await recordSize()
        do throws(LedgerStoreError) {
            let checkpoint = try await store.checkpoint()
            let size = checkpoint.flatMap { try? SignedNote(parsing: $0.bytes) }
                .flatMap { try? Checkpoint(parsing: $0.text) }?.size
            guard size ?? 0 < archive.size else { return }
            // Where this does not succeed, the replica that seals first signs one.
            _ = await store.putCheckpoint(
                archive.note.bytes, replacing: checkpoint?.revision ?? .absent,
                timeout: .seconds(5))
        } catch {
            throw .store(error)
        }
    }

    private func recordSize() async throws(RecoveryError) {
        let stored: LedgerStore.StoredArchive?
        do throws(LedgerStoreError) {
            stored = try await store.archive()
        } catch {
            throw .store(error)
        }
        if let stored, stored.record.through.rawValue >= archive.size { return }
        let next = try record(
            through: SequenceNumber(rawValue: archive.size),
            trimmed: stored?.record.trimmed ?? .zero)
        let ended = await store.putArchive(next, replacing: stored, timeout: .seconds(5))
        guard case .done = ended else { throw .changed }
    }
}
