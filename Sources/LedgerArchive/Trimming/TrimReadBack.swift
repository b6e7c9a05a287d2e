package import LedgerCore
package import LedgerReplica
package import LedgerStore
package import LedgerTransparency

/// Reads back from the archive what is to leave etcd, and checks it (protocol.md 26).
package protocol TrimReadBack: Sendable {
    /// Reads everything that some ids segments' events leave in the archive, from the archive itself and from no cache.
    ///
    /// - Returns: the digest of each segment, up to the first of which an object is missing, or is not what etcd has and
    ///   the ledger's tree commits to.
    /// - Throws: where that is the very first.
    func readBack(_ segments: Range<UInt64>) async throws(LedgerStoreError) -> [Digest]
}

/// Compares the archive's objects with etcd's and with the tree that this replica knows: entry bundles with the
/// verified tiles of leaf hashes, tiles with themselves, ids segments with etcd's own and with the entries' ids.
package struct ArchiveReadBack: TrimReadBack {
    private static let bundles = UInt64(IdSegment.width / TileID.width)
    /// The longest rest after a group of bundles: with object storage far away, reading is waiting already.
    private static let longestRest = Nanoseconds.milliseconds(20)

    private let store: LedgerStore
    private let archive: any ArchivedPast
    private let tree: TreeReader
    private let bundlesAtOnce: UInt64
    private let clock: (any ReplicaClock)?

    /// - Parameters:
    ///   - archive: must not answer from a cache: what counts is what the object storage gives now.
    ///   - tree: as this replica knows it.
    ///   - bundlesAtOnce: how many bundles are read at a time: each may have 16 MiB. A divisor of 16.
    ///   - clock: with one, whoever seals has the processors for as long as a group of bundles took before the next, and
    ///     for at most 20 ms.
    package init(
        store: LedgerStore, archive: any ArchivedPast, tree: TreeReader, bundlesAtOnce: UInt64 = 4,
        clock: (any ReplicaClock)? = nil
    ) {
        precondition(Self.bundles.isMultiple(of: bundlesAtOnce), "bundles are read in whole groups")
        self.bundlesAtOnce = bundlesAtOnce
        self.clock = clock
        self.store = store.patient
        self.archive = archive
        self.tree = tree
    }

    package func readBack(_ segments: Range<UInt64>) async throws(LedgerStoreError) -> [Digest] {
        var digests: [Digest] = []
        for number in segments {
            do throws(LedgerStoreError) {
                digests.append(try await readBack(segment: number))
            } catch {
                // What comes before it need not wait for it. The next round begins with it, and says what is wrong.
                guard !digests.isEmpty else { throw error }
                return digests
            }
        }
        return digests
    }

    private func readBack(segment number: UInt64) async throws(LedgerStoreError) -> Digest {
        let own = try await store.segments(from: number, end: number + 1, limit: 1).first?.bytes
        let archived = try await archive.segment(number, .asStored)
        guard let own else {
            throw .inconsistent(.malformed("ids segment \(number) is missing"))
        }
        guard own == archived else { throw .archive(.contradicts("ids segment \(number)")) }
        let segment: IdSegment
        do throws(FormatError) {
            segment = try IdSegment(number: number, decoding: own)
        } catch {
            throw .inconsistent(.malformed("ids segment \(number): \(error.message)"))
        }
        let first = number * Self.bundles
        for begin in stride(from: first, to: first + Self.bundles, by: Int(bundlesAtOnce)) {
            let started = clock?.now
            try await check(begin..<begin + bundlesAtOnce, of: segment)
            if let clock, let started {
                try? await clock.sleep(for: min(clock.now - started, Self.longestRest))
            }
        }
        let events = (number + 1) * ArchiveRecord.trimStep
        if events.isMultiple(of: 1 << 16) {
            try await check(TileID(level: 1, index: events >> 16 - 1))
        }
        return SegmentsDigest.ofSegment(own)
    }

    private func check(
        _ bundles: Range<UInt64>, of segment: IdSegment
    ) async throws(LedgerStoreError) {
        let results = await withTaskGroup(of: Result<Void, LedgerStoreError>.self) {
            (group) -> [Result<Void, LedgerStoreError>] in
            for bundle in bundles {
                group.addTask {
                    do throws(LedgerStoreError) {
                        return .success(try await self.check(bundle: bundle, of: segment))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for result in results { try result.get() }
    }

    /// The events of one bundle: they are the leaves of one tile, and theirs are the ids of the segment.
    private func check(
        bundle: UInt64, of segment: IdSegment
    ) async throws(LedgerStoreError) {
        let tile = try await check(TileID(level: 0, index: bundle))
        let bytes = try await archive.bundle(bundle, .asStored)
        let wrong = LedgerStoreError.archive(.contradicts("entry bundle \(bundle)"))
        var entries = FramedEntries(bytes)
        for place in 0..<TileID.width {
            guard let entry = entries.next(), MerkleTree.leafHash(of: entry) == tile[place]
            else { throw wrong }
            let number = SequenceNumber(bundle * UInt64(TileID.width) + UInt64(place) + 1)
            do throws(FormatError) {
                let view = try EntryView(decoding: entry)
                let position = Int(segment.first.distance(to: number))
                guard view.fingerprint == segment.fingerprint(at: position) else {
                    throw FormatError(.inconsistent, "another id")
                }
            } catch {
                throw .inconsistent(
                    .malformed("ids segment \(segment.number) is not that of event \(number)"))
            }
        }
        guard entries.isAtEnd else { throw wrong }
    }

    /// The tile as the tree has it, which the archive has as well.
    @discardableResult
    private func check(_ id: TileID) async throws(LedgerStoreError) -> Tile {
        let known: [UInt8]?
        do throws(TreeError) {
            guard let size = tree.coveredSize else { throw TreeError(.notLoaded, "no tree yet") }
            known = try await tree.tile(id, width: TileID.width, size: size)
        } catch {
            throw error.asStoreError
        }
        guard let known, let tile = try? Tile(id: id, bytes: known) else {
            throw .inconsistent(.malformed("tile \(id.level)/\(id.index) is missing"))
        }
        guard try await archive.tile(id) == known else {
            throw .archive(.contradicts("tile \(id.level)/\(id.index)"))
        }
        return tile
    }
}

extension TreeError {
    fileprivate var asStoreError: LedgerStoreError {
        switch code {
        case .corrupt: .inconsistent(.malformed("\(self)"))
        default: LedgerStoreError(.unavailable)
        }
    }
}
