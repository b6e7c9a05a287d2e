import LedgerCore
package import ObjectStorage

/// What is wrong with an archive, or why it cannot be said.
package enum ArchiveFinding: Error, Sendable, CustomStringConvertible {
    /// The object storage did not answer, or refused.
    case storage(ObjectStoreError)
    /// An object that the checkpoint's size asks for is not there.
    case missing(ObjectName)
    /// An object is not what the ledger says of it.
    case wrong(ObjectName, String)
    /// There is no checkpoint, or none of this ledger's.
    case noCheckpoint(String)
    case cancelled

    package var description: String {
        switch self {
        case .storage(let error): "the object storage: \(error)"
        case .missing(let name): "\(name) is missing"
        case .wrong(let name, let what): "\(name): \(what)"
        case .noCheckpoint(let why): why
        case .cancelled: "it was cancelled"
        }
    }
}

/// The objects of 4,096 events as an archive has them: what one ids segment covers.
struct ArchiveChunk: Sendable {
    /// The events number * 4,096 + 1 and later.
    let number: UInt64
    /// At most 16, the last one partial where the log ends in it.
    var bundles: [[UInt8]] = []
    /// The tile of level 0 beside each bundle.
    var tiles: [[UInt8]] = []
    /// Nil where the log ends before the segment is full.
    var segment: [UInt8]?
}

/// Reads an archive of a size from any place on, a few objects at a time.
struct ArchiveScan: Sendable {
    static let bundlesPerChunk = UInt64(IdSegment.width / TileID.width)

    let objects: any ObjectStore
    let size: UInt64

    /// How many chunks there are.
    var chunkCount: UInt64 {
        size / UInt64(IdSegment.width) + (size.isMultiple(of: UInt64(IdSegment.width)) ? 0 : 1)
    }

    /// The width of a tile of level 0, and of the bundle beside it.
    func width(_ index: UInt64) -> Int {
        Int(min(size - index * UInt64(TileID.width), UInt64(TileID.width)))
    }

    /// The bundles of a chunk.
    func bundles(of chunk: UInt64) -> Range<UInt64> {
        let end = size / UInt64(TileID.width) + (size.isMultiple(of: UInt64(TileID.width)) ? 0 : 1)
        let first = chunk * Self.bundlesPerChunk
        return first..<min(end, first + Self.bundlesPerChunk)
    }

    /// The objects of a chunk: each bundle with its tile, then the ids segment where it is full.
    func objects(of chunk: UInt64) -> [ArchiveObject] {
        var objects: [ArchiveObject] = []
        for index in bundles(of: chunk) {
            let width = width(index)
            objects.append(.tile(TilePath(kind: .entries, index: index, width: width)))
            objects.append(.tile(TilePath(kind: .hashes(level: 0), index: index, width: width)))
        }
        if hasSegment(chunk) { objects.append(.segment(chunk)) }
        return objects
    }

    /// The tiles of level 1 and above, partial ones too.
    var higherTiles: [ArchiveObject] {
        var objects: [ArchiveObject] = []
        var level = 1
        while TileStack.hashCount(size: size, level: level) > 0 {
            let count = TileStack.hashCount(size: size, level: level)
            let full = count / UInt64(TileID.width)
            let rest = Int(count % UInt64(TileID.width))
            for index in 0..<full {
                objects.append(.tile(TilePath(kind: .hashes(level: level), index: index)))
            }
            if rest > 0 {
                objects.append(
                    .tile(TilePath(kind: .hashes(level: level), index: full, width: rest)))
            }
            level += 1
        }
        return objects
    }

    private func hasSegment(_ chunk: UInt64) -> Bool {
        size >= (chunk + 1) * UInt64(IdSegment.width)
    }

    func chunk(_ number: UInt64) async throws(ArchiveFinding) -> ArchiveChunk {
        let found = try await read(objects(of: number))
        var chunk = ArchiveChunk(number: number)
        for index in 0..<bundles(of: number).count {
            chunk.bundles.append(found[2 * index])
            chunk.tiles.append(found[2 * index + 1])
        }
        if hasSegment(number) { chunk.segment = found[found.count - 1] }
        return chunk
    }

    /// Reads objects at the same time, at most 33 of them: 4 at a time, for each may have 16 MiB.
    func read(_ wanted: [ArchiveObject]) async throws(ArchiveFinding) -> [[UInt8]] {
        let results = await withTaskGroup(
            of: (Int, Result<[UInt8], ArchiveFinding>).self
        ) { group in
            var found: [Result<[UInt8], ArchiveFinding>?] = Array(
                repeating: nil, count: wanted.count)
            var next = 0
            func begin() {
                guard next < wanted.count else { return }
                let place = next
                next += 1
                group.addTask { (place, await self.result(wanted[place])) }
            }
            for _ in 0..<4 { begin() }
            while let (place, result) = await group.next() {
                found[place] = result
                begin()
            }
            return found
        }
        var bytes: [[UInt8]] = []
        for result in results {
            guard let result else { throw .cancelled }
            bytes.append(try result.get())
        }
        return bytes
    }

    private func result(_ object: ArchiveObject) async -> Result<[UInt8], ArchiveFinding> {
        if Task.isCancelled { return .failure(.cancelled) }
        do throws(ObjectStoreError) {
            let bytes = try await objects.read(object.name, maximum: object.maxByteCount)
            if let bytes { return .success(bytes) }
            // The log grows while it is read, and where a partial object was there may be the full one alone.
            if case .tile(let path) = object, path.width < TileID.width {
                let full = ArchiveObject.tile(path.full)
                let bytes = try await objects.read(full.name, maximum: full.maxByteCount)
                if let part = bytes.flatMap({ path.part(ofFull: $0) }) { return .success(part) }
            }
            return .failure(.missing(object.name))
        } catch {
            if error.kind == .tooLarge {
                return .failure(.wrong(object.name, "it is longer than such an object can be"))
            }
            return .failure(.storage(error))
        }
    }
}

extension TilePath {
    /// What a partial tile, or bundle, holds of the full one; nil where that is too short.
    fileprivate func part(ofFull bytes: [UInt8]) -> [UInt8]? {
        switch kind {
        case .hashes:
            let count = width * Digest.byteCount
            return bytes.count >= count ? Array(bytes.prefix(count)) : nil
        case .entries:
            var entries = FramedEntries(bytes)
            var end = 0
            for _ in 0..<width {
                guard let entry = entries.next() else { return nil }
                end = entry.endIndex
            }
            return Array(bytes.prefix(end))
        }
    }
}
