internal import LedgerClient
internal import LedgerVerify

/// Verifies exported entries, without a service.
///
/// A folder is a tlog-tiles folder or one with `events.jsonl`; a file holds JSON Lines, a bundle of entries, or one entry.
/// All of them together are one chain, in the order in which they are named.
struct OfflineVerification {
    /// What the entries must agree with; nil where only their links are checked.
    let checkpoint: SignedCheckpoint?

    private var chain: ChainVerifier?
    private var first: UInt64 = 0
    private var progress: RangeProgress

    init(checkpoint: SignedCheckpoint?) {
        self.checkpoint = checkpoint
        progress = RangeProgress(first: 1, last: checkpoint?.size ?? 0, verb: "verified")
    }

    /// What was found.
    struct Result {
        let first: UInt64
        let last: UInt64
        /// The root over all entries; nil where they do not begin with number 1.
        let rootHash: LedgerHash?
    }

    /// Verifies everything.
    ///
    /// - Throws: `VerificationError` with the name of the file; `FileError`.
    mutating func run(_ paths: [String]) async throws -> Result {
        for path in paths { try await verify(path) }
        progress.clear()
        guard let chain, chain.count > 0 else {
            throw VerificationError(.incomplete, "there are no entries")
        }
        let last = chain.nextNumber - 1
        if let checkpoint {
            guard first == 1 else {
                throw VerificationError(
                    .incomplete,
                    "the entries begin with number \(first): only entries from 1 on give the root of "
                        + "a checkpoint")
            }
            // At its size the root was compared.
            guard last >= checkpoint.size else {
                throw VerificationError(
                    .incomplete,
                    "the entries end with number \(last), the checkpoint covers \(checkpoint.size)")
            }
        }
        return Result(first: first, last: last, rootHash: chain.rootHash)
    }

    private mutating func verify(_ path: String) async throws {
        guard FileKind.isFolder(path) else {
            try await verify(file: path)
            return
        }
        let tiles = TilesFolder.at(path)
        if let own = try tiles.checkpoint() {
            try verify(tiles, size: own.size)
        } else {
            try await verify(lines: "\(path)/events.jsonl")
        }
    }

    private mutating func append(_ entry: SealedEntry) throws(VerificationError) {
        if chain == nil {
            first = entry.sequenceNumber
            chain = ChainVerifier(from: first)
        }
        try chain?.append(entry)
        if let checkpoint, first == 1, entry.sequenceNumber == checkpoint.size {
            try chain?.verify(checkpoint)
        }
        progress.draw(through: entry.sequenceNumber)
    }

    // MARK: Tiles

    /// Verifies a folder: the entries, and that every tile of hashes is what they give.
    private mutating func verify(_ tiles: TilesFolder, size: UInt64) throws {
        var builder = TileBuilder()
        let width = UInt64(EntryBundle.maxCount)
        while builder.size < size {
            let index = builder.size / width
            let count = Int(min(width, size - builder.size))
            let name = TileBuilder.entriesName(index, width: count)
            guard let entries = try tiles.entries(index, width: count) else {
                throw VerificationError(.incomplete, "\(name) is missing")
            }
            for entry in entries {
                let files = try tiles.naming(name) { () throws(VerificationError) in
                    try append(entry)
                    return try builder.append(entry)
                }
                try check(files.dropLast(), tiles)
            }
        }
        let isPartial = size % width > 0
        try check(isPartial ? builder.partialFiles.dropLast() : builder.partialFiles[...], tiles)
    }

    private func check(_ files: ArraySlice<TileBuilder.File>, _ tiles: TilesFolder) throws {
        for file in files where try !tiles.check(file) {
            throw VerificationError(.incomplete, "\(file.name) is missing")
        }
    }

    // MARK: Files

    private mutating func verify(file path: String) async throws {
        switch try FileKind.of(path) {
        case .lines: try await verify(lines: path)
        case .entry:
            let bytes = try InputFile.read(path, limit: SealedEntry.maxByteCount)
            let entry = try naming(path) { () throws(VerificationError) in
                try SealedEntry(decoding: bytes)
            }
            try append(entry, path)
        case .bundle:
            let bytes = try InputFile.read(path, limit: EntryBundle.maxByteCount)
            let entries = try naming(path) { () throws(VerificationError) in
                try EntryBundle.entries(bytes)
            }
            for entry in entries { try append(entry, path) }
        }
    }

    private mutating func append(_ entry: SealedEntry, _ path: String) throws {
        do throws(VerificationError) {
            try append(entry)
        } catch {
            throw VerificationError(error.code, "\(path): \(error.message)")
        }
    }

    private mutating func verify(lines path: String) async throws {
        let reader: ChunkReader
        do {
            reader = try ChunkReader(path: path)
        } catch {
            throw FileError("\(path) cannot be read")
        }
        var splitter = LineSplitter()
        var number = 0
        while let chunk = try await reader.next() {
            for line in splitter.append(chunk) { try append(line, path, &number) }
        }
        if let line = splitter.finish() { try append(line, path, &number) }
    }

    private mutating func append(
        _ line: LineSplitter.Line, _ path: String, _ number: inout Int
    ) throws {
        number += 1
        let place = "\(path), line \(number)"
        guard case .complete(let bytes) = line else {
            throw VerificationError(.malformedEntry, "\(place) is too long")
        }
        if bytes.isEmpty { return }
        let event: SealedEvent
        do throws(EventLine.Problem) {
            event = try EventRecord.parse(bytes)
        } catch {
            throw VerificationError(.malformedEntry, "\(place): \(error.description)")
        }
        let entry = try naming(place) { () throws(VerificationError) in try event.entry() }
        try append(entry, place)
    }

    private func naming<Value>(
        _ name: String, _ body: () throws(VerificationError) -> Value
    ) throws(VerificationError) -> Value {
        do throws(VerificationError) {
            return try body()
        } catch {
            throw VerificationError(error.code, "\(name): \(error.message)")
        }
    }
}
