package import LedgerCore
import Logging
package import ObjectStorage

/// An archive of which everything was verified up to its checkpoint.
package struct VerifiedArchive: Sendable {
    package let note: ArchivedNote
    /// Objects that were read, and their bytes.
    package internal(set) var objectCount: UInt64 = 0
    package internal(set) var byteCount: UInt64 = 0
    /// When the last event was sealed, in epoch milliseconds.
    package internal(set) var lastTimestamp: Int64 = .min

    /// The tree over all events.
    var tiles = TileStack()
    /// The roots of all full tiles of level 0, by which a bundle that is read once more is known.
    var tileRoots: [Digest] = []
    /// The digests of all full ids segments, likewise.
    var segments: [Digest] = []

    package var size: UInt64 { note.checkpoint.size }

    init(_ note: ArchivedNote) { self.note = note }
}

/// Reads a whole archive and checks every object against what the others and the signed checkpoint say: entries, their
/// numbers, links and times, tiles of all levels, ids segments, the root. It needs neither etcd nor a replica.
package struct ArchiveVerification: Sendable {
    private let objects: any ObjectStore
    private let keys: [NoteVerifier]

    /// - Parameter keys: the ledger's; one of them must have signed the checkpoint.
    package init(_ objects: any ObjectStore, keys: [NoteVerifier]) {
        self.objects = objects
        self.keys = keys
    }

    /// The archive's checkpoint, signed by one of the keys.
    package func checkpoint() async throws(ArchiveFinding) -> ArchivedNote {
        let reader = ArchivedCheckpoint(
            objects, keys: keys, logger: Logger(label: "archive") { _ in SwiftLogNoOpLogHandler() })
        let note: ArchivedNote?
        do throws(ArchiveFailure) {
            note = try await reader.read()
        } catch {
            if case .storage(let error) = error { throw .storage(error) }
            throw .noCheckpoint("\(error)")
        }
        guard let note else {
            throw .noCheckpoint("there is no archive at \(objects.location): it has no checkpoint")
        }
        return note
    }

    /// Verifies everything.
    ///
    /// - Parameters:
    ///   - trees: sizes whose trees are wanted.
    ///   - progress: called with the number of the last event that is verified.
    /// - Returns: what was verified, and the trees at the wanted sizes that the archive has.
    package func verify(
        trees wanted: Set<UInt64> = [], progress: (UInt64) -> Void = { _ in }
    ) async throws(ArchiveFinding) -> (archive: VerifiedArchive, trees: [UInt64: MerkleFrontier]) {
        let note = try await checkpoint()
        let scan = ArchiveScan(objects: objects, size: note.checkpoint.size)
        var pass = Pass(note, scan, wanted)
        for number in 0..<scan.chunkCount {
            try await pass.take(try await scan.chunk(number))
            progress(pass.archive.tiles.size)
        }
        return (try await pass.finish(), pass.trees)
    }

    /// One reading of everything.
    private struct Pass {
        var archive: VerifiedArchive
        var trees: [UInt64: MerkleFrontier] = [:]
        private let scan: ArchiveScan
        private let wanted: Set<UInt64>
        private var lastHash = EventHash.zero
        private var eventsInBlock = 0

        init(_ note: ArchivedNote, _ scan: ArchiveScan, _ wanted: Set<UInt64>) {
            archive = VerifiedArchive(note)
            archive.objectCount = 1
            archive.byteCount = UInt64(note.bytes.count)
            self.scan = scan
            self.wanted = wanted
            if wanted.contains(0) { trees[0] = MerkleFrontier() }
        }

        mutating func take(_ chunk: ArchiveChunk) async throws(ArchiveFinding) {
            let first = chunk.number * ArchiveScan.bundlesPerChunk
            let segment = try segment(of: chunk)
            let decoded = try await BundleDigest.decode(chunk.bundles, first: first, scan)
            for (offset, bundle) in decoded.enumerated() {
                let index = first + UInt64(offset)
                try await take(bundle, index, tile: chunk.tiles[offset], segment)
                count(chunk.bundles[offset])
                count(chunk.tiles[offset])
            }
            if let bytes = chunk.segment {
                count(bytes)
                archive.segments.append(SegmentsDigest.ofSegment(bytes))
            }
        }

        private mutating func count(_ bytes: [UInt8]) {
            archive.objectCount += 1
            archive.byteCount += UInt64(bytes.count)
        }

        private func segment(of chunk: ArchiveChunk) throws(ArchiveFinding) -> IdSegment? {
            guard let bytes = chunk.segment else { return nil }
            do throws(FormatError) {
                return try IdSegment(number: chunk.number, decoding: bytes)
            } catch {
                throw .wrong(ArchiveNames.segment(chunk.number), error.message)
            }
        }

        private mutating func take(
            _ bundle: BundleDigest, _ index: UInt64, tile: [UInt8], _ segment: IdSegment?
        ) async throws(ArchiveFinding) {
            let width = scan.width(index)
            let name = ArchiveNames.bundle(index, width: width)
            guard bundle.events.previousHash == lastHash else {
                throw .wrong(name, "its first entry does not continue the bundle before it")
            }
            guard bundle.events.firstTimestamp >= archive.lastTimestamp else {
                throw .wrong(name, "its first entry was sealed before the bundle before it")
            }
            lastHash = bundle.events.lastEventHash
            archive.lastTimestamp = bundle.events.lastTimestamp
            let hashes = bundle.events.leaves.reduce(into: [UInt8]()) { $1.append(to: &$0) }
            guard hashes == tile else {
                throw .wrong(
                    ArchiveNames.tile(TileID(level: 0, index: index), width: width),
                    "its hashes are not those of the entries")
            }
            var completed: [Tile] = []
            for (position, leaf) in bundle.events.leaves.enumerated() {
                completed += archive.tiles.append(leaf)
                try check(bundle.events.fingerprints[position], segment)
                let size = archive.tiles.size
                if wanted.contains(size) { trees[size] = archive.tiles.frontier }
            }
            for tile in completed {
                if tile.level == 0 {
                    archive.tileRoots.append(tile.root)
                } else {
                    try await compare(TileID(level: tile.level, index: tile.index), tile.bytes)
                }
            }
        }

        /// What the ids segment says of the event that was appended last.
        private mutating func check(
            _ fingerprint: Fingerprint, _ segment: IdSegment?
        ) throws(ArchiveFinding) {
            guard let segment else { return }
            let number = archive.tiles.size
            let position = Int((number - 1) % UInt64(IdSegment.width))
            let name = ArchiveNames.segment(segment.number)
            guard segment.fingerprint(at: position) == fingerprint else {
                throw .wrong(name, "it has another id for number \(number)")
            }
            eventsInBlock = segment.startsBlock(at: position) ? 1 : eventsInBlock + 1
            guard eventsInBlock <= Block.maxEntries,
                number > 1 || segment.startsBlock(at: position)
            else {
                throw .wrong(name, "no block of the ledger can begin where it says")
            }
        }

        private mutating func compare(
            _ id: TileID, _ expected: [UInt8]
        ) async throws(ArchiveFinding) {
            let width = expected.count / Digest.byteCount
            let path = TilePath(kind: .hashes(level: id.level), index: id.index, width: width)
            let found = try await scan.read([.tile(path)])[0]
            guard found == expected else {
                throw .wrong(ArchiveNames.tile(path), "its hashes are not those of the level below")
            }
            count(found)
        }

        mutating func finish() async throws(ArchiveFinding) -> VerifiedArchive {
            let checkpoint = archive.note.checkpoint
            for (level, hashes) in archive.tiles.levels.enumerated()
            where level > 0 && !hashes.isEmpty {
                let full = TileStack.hashCount(size: checkpoint.size, level: level + 1)
                try await compare(
                    TileID(level: level, index: full),
                    hashes.reduce(into: []) { $1.append(to: &$0) })
            }
            guard archive.tiles.size == checkpoint.size,
                archive.tiles.frontier.root == checkpoint.root
            else {
                throw .wrong(
                    ArchiveNames.checkpoint, "the entries do not lead to its root")
            }
            return archive
        }
    }
}

/// What a bundle says, found well-formed and linked within itself.
struct BundleDigest: Sendable {
    /// As of a block that holds the bundle's events.
    let events: BlockDigest
    let entries: [ArraySlice<UInt8>]

    /// - Parameters:
    ///   - index: the bundle's.
    ///   - width: how many entries it must have.
    init(_ bytes: [UInt8], index: UInt64, width: Int) throws(ArchiveFinding) {
        let name = ArchiveNames.bundle(index, width: width)
        let first = SequenceNumber(rawValue: index * UInt64(TileID.width) + 1)
        do throws(FormatError) {
            let links = try Block.decodeChain(
                bytes, first: first, maxEntryBytes: TileID.width * EventLimits.maxEntryBytes)
            guard links.count == width else {
                throw FormatError(.inconsistent, "it has \(links.count) entries")
            }
            events = try BlockDigest(first: first, events: links)
            entries = links.map(\.entry.bytes)
        } catch {
            let place = error.sequenceNumber.map { " at number \($0)" } ?? ""
            throw .wrong(name, "\(error.message)\(place)")
        }
    }

    /// Decodes the bundles of a chunk, on all processors.
    static func decode(
        _ bundles: [[UInt8]], first: UInt64, _ scan: ArchiveScan
    ) async throws(ArchiveFinding) -> [BundleDigest] {
        let results = await withTaskGroup(
            of: (Int, Result<BundleDigest, ArchiveFinding>).self
        ) { group in
            for (offset, bytes) in bundles.enumerated() {
                group.addTask {
                    let index = first + UInt64(offset)
                    do throws(ArchiveFinding) {
                        return (
                            offset,
                            .success(
                                try BundleDigest(bytes, index: index, width: scan.width(index)))
                        )
                    } catch {
                        return (offset, .failure(error))
                    }
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        var decoded: [BundleDigest] = []
        for offset in bundles.indices {
            guard let result = results[offset] else { throw .cancelled }
            decoded.append(try result.get())
        }
        return decoded
    }
}
