package import LedgerCore
package import LedgerStore
package import LedgerTransparency
package import Logging
package import ObjectStorage
import Synchronization

/// Reads what has left etcd out of the archive, and believes none of it: a bundle is compared with the leaf hashes of its
/// verified tile, a tile with the level above it, a segment with what the replica's id index was made of.
///
/// Equal reads at the same time are one, a bounded number of objects is read at a time, and what was checked is kept in
/// memory up to a number of bytes. What is wrong or missing is read once more, then it is trouble: nothing of it is
/// handed out.
package final class ArchiveReader: ArchivedPast {
    /// Objects that are read at a time: of at most 16 MiB, mostly 100 KiB.
    package static let mostReads = 4
    /// Ids segments that are read at a time, 33,280 bytes each: a replica that starts reads all of them, and what it
    /// waits for is mostly the way there.
    package static let mostSegmentReads = 32
    /// Reads that wait for their turn, each for five seconds at most.
    static let mostWaiting = 4_096
    static let longestWait = Duration.seconds(5)
    /// Between two warnings.
    static let warningInterval = Duration.seconds(60)

    /// What has become of reads so far.
    package struct Status: Hashable, Sendable {
        /// Objects that were wrong or missing, each reading counted.
        package var contradictions: Int64 = 0
        /// Reads that ended without an answer.
        package var failures: Int64 = 0
        /// Reads that were answered from memory.
        package var hits: Int64 = 0
        /// The newest trouble that no good reading has followed.
        package var trouble: ArchiveTrouble?
    }

    private enum Key: Hashable, Sendable {
        case bundle(UInt64)
        case segment(UInt64)
    }

    private struct State {
        weak var tree: TreeReader?
        var segments: @Sendable (UInt64) -> Digest? = { _ in nil }
        var status = Status()
        var lastWarning: ContinuousClock.Instant?
        var silenced = 0
    }

    private let objects: any ObjectStore
    private let logger: Logger
    private let cache: ReadCache<Key, [UInt8]>
    private let places = Places(
        count: mostReads, maxWaiting: mostWaiting, longestWait: longestWait)
    private let segmentPlaces = Places(
        count: mostSegmentReads, maxWaiting: mostWaiting, longestWait: longestWait)
    private let reading = SharedReads<Key, [UInt8], LedgerStoreError>(
        cancelled: .archive(.unavailable("the read was cancelled")))
    private let tiles = SharedReads<TileID, [UInt8], LedgerStoreError>(
        cancelled: .archive(.unavailable("the read was cancelled")))
    private let state = Mutex(State())

    /// - Parameter cacheBytes: the bytes of bundles and segments that are kept at most.
    package init(_ objects: any ObjectStore, cacheBytes: Int, logger: Logger) {
        self.objects = objects
        self.logger = logger
        cache = ReadCache(maxBytes: cacheBytes)
    }

    /// From now on, and as long as somebody else keeps the tree, these say what is right.
    ///
    /// - Parameter segments: the digest of an ids segment; nil where it is not known yet.
    package func check(
        with tree: TreeReader, segments: @escaping @Sendable (UInt64) -> Digest?
    ) {
        state.withLock { state in
            state.tree = tree
            state.segments = segments
        }
    }

    package var status: Status { state.withLock { $0.status } }

    // MARK: Reading

    package func bundle(
        _ index: UInt64, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] {
        let object = ArchiveObject.tile(TilePath(kind: .entries, index: index))
        guard trust == .checked else { return try await fetch(object) { _ in nil } }
        return try await kept(.bundle(index)) { [self] () async throws(LedgerStoreError) in
            // The tile first: without it nothing can be said of the entries.
            let leaves = try await leaves(index)
            return try await fetch(object) { Self.difference(ofBundle: $0, from: leaves) }
        }
    }

    package func tile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8] {
        try await tiles.value(for: id) { [self] in
            do throws(LedgerStoreError) {
                let root = try await root(of: id)
                let path = TilePath(kind: .hashes(level: id.level), index: id.index)
                return .success(
                    try await fetch(.tile(path)) { bytes in
                        guard let tile = try? Tile(id: id, bytes: bytes) else {
                            return "its length"
                        }
                        return root == nil || tile.root == root ? nil : "its root"
                    })
            } catch {
                return .failure(error)
            }
        }
    }

    package func segment(
        _ number: UInt64, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] {
        guard trust == .checked else { return try await fetch(.segment(number)) { _ in nil } }
        // Before the ids are loaded nothing is known of it, and it is not kept.
        guard let digest = digest(ofSegment: number) else {
            return try await fetch(.segment(number)) { Self.difference(ofSegment: $0, from: nil) }
        }
        return try await kept(.segment(number)) { [self] () async throws(LedgerStoreError) in
            try await fetch(.segment(number)) { Self.difference(ofSegment: $0, from: digest) }
        }
    }

    package func knows(segment number: UInt64) -> Bool { digest(ofSegment: number) != nil }

    // MARK: What is right

    /// The verified leaf hashes of a bundle, 32 bytes each.
    private func leaves(_ index: UInt64) async throws(LedgerStoreError) -> [UInt8] {
        let leaves = try await verified(
            TileID(level: 0, index: index), width: TileID.width)
        guard let leaves else {
            throw .archive(.unavailable("the ledger's tree is still being loaded"))
        }
        return leaves
    }

    /// What the level above says the root of a tile is; nil where the tree is not known yet: then whoever reads the
    /// tile has nothing to compare with here, and does so when it knows the head.
    private func root(of id: TileID) async throws(LedgerStoreError) -> Digest? {
        let width = id.positionInParent + 1
        let hashes = try await verified(id.parent, width: width)
        return hashes.flatMap { Digest(bytes: $0.suffix(Digest.byteCount)) }
    }

    private func verified(
        _ id: TileID, width: Int
    ) async throws(LedgerStoreError) -> [UInt8]? {
        guard let tree = state.withLock({ $0.tree }), let size = tree.coveredSize else {
            return nil
        }
        do throws(TreeError) {
            return try await tree.tile(id, width: width, size: size)
        } catch {
            if let cause = error.cause { throw cause }
            throw .archive(.unavailable("the ledger's tree cannot be read: \(error)"))
        }
    }

    private func digest(ofSegment number: UInt64) -> Digest? {
        // Outside of the lock: whoever knows it has one of his own.
        let segments = state.withLock { $0.segments }
        return segments(number)
    }

    private static func difference(ofSegment bytes: [UInt8], from digest: Digest?) -> String? {
        guard bytes.count == IdSegment.byteCount else { return "its length" }
        return digest == nil || SegmentsDigest.ofSegment(bytes) == digest ? nil : "its digest"
    }

    /// What is wrong with a bundle; nil where its entries have these leaf hashes.
    static func difference(ofBundle bytes: [UInt8], from leaves: [UInt8]) -> String? {
        var entries = FramedEntries(bytes)
        var rest = leaves[...]
        while !rest.isEmpty {
            guard let entry = entries.next() else { return "its length" }
            guard Digest(bytes: rest.prefix(Digest.byteCount)) == MerkleTree.leafHash(of: entry)
            else { return "an entry" }
            rest = rest.dropFirst(Digest.byteCount)
        }
        return entries.isAtEnd ? nil : "its length"
    }

    // MARK: Asking the storage

    /// From memory, or as `read` has it; the same for all who ask at the same time.
    private func kept(
        _ key: Key, _ read: @escaping @Sendable () async throws(LedgerStoreError) -> [UInt8]
    ) async throws(LedgerStoreError) -> [UInt8] {
        if let bytes = cache.value(for: key) {
            state.withLock { $0.status.hits += 1 }
            return bytes
        }
        return try await reading.value(for: key) { [cache] in
            do throws(LedgerStoreError) {
                let bytes = try await read()
                cache.insert(bytes, for: key, bytes: bytes.count)
                return .success(bytes)
            } catch {
                return .failure(error)
            }
        }
    }

    /// Reads an object; one that is missing or wrong once more.
    ///
    /// - Parameter wrong: what is wrong with the bytes; nil where nothing is.
    private func fetch(
        _ object: ArchiveObject, _ wrong: ([UInt8]) -> String?
    ) async throws(LedgerStoreError) -> [UInt8] {
        var trouble = ArchiveTrouble.contradicts("\(object.name)")
        for _ in 0..<2 {
            do throws(LedgerStoreError) {
                guard let bytes = try await read(object) else {
                    trouble = .contradicts("\(object.name), which is missing,")
                    state.withLock { $0.status.contradictions += 1 }
                    continue
                }
                guard let what = wrong(bytes) else {
                    state.withLock { $0.status.trouble = nil }
                    return bytes
                }
                trouble = .contradicts("\(object.name), by \(what),")
                state.withLock { $0.status.contradictions += 1 }
            } catch {
                state.withLock { $0.status.failures += 1 }
                if case .archive(let trouble) = error.code { warn(trouble) }
                throw error
            }
        }
        warn(trouble)
        throw .archive(trouble)
    }

    private func read(_ object: ArchiveObject) async throws(LedgerStoreError) -> [UInt8]? {
        let result: Result<[UInt8]?, LedgerStoreError>
        let turns = if case .segment = object { segmentPlaces } else { places }
        do throws(Places.Refusal) {
            result = try await turns.withPlace(refused: Self.refusal) {
                () async throws(Places.Refusal) in
                do throws(ObjectStoreError) {
                    return .success(
                        try await objects.read(object.name, maximum: object.maxByteCount))
                } catch {
                    if error.kind == .tooLarge { return .success([]) }
                    return .failure(.archive(.unavailable("\(error)")))
                }
            }
        } catch {
            throw .archive(.unavailable("too many reads of the archive are under way"))
        }
        return try result.get()
    }

    private static func refusal(_ refusal: Places.Refusal) -> Places.Refusal { refusal }

    private func warn(_ trouble: ArchiveTrouble) {
        let silenced = state.withLock { state -> Int? in
            state.status.trouble = trouble
            let now = ContinuousClock.now
            if let last = state.lastWarning, last.duration(to: now) < Self.warningInterval {
                state.silenced += 1
                return nil
            }
            state.lastWarning = now
            defer { state.silenced = 0 }
            return state.silenced
        }
        guard let silenced else { return }
        logger.warning(
            "the archive did not give what was asked for",
            metadata: [
                "archive": "\(objects.location)", "error": "\(trouble)",
                "not_logged": "\(silenced)",
            ])
    }
}
