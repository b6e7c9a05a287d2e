internal import LedgerClient
internal import LedgerVerify

/// Exports all events that a checkpoint covers as a C2SP tlog-tiles folder.
///
/// At every moment the folder is the whole log of its `checkpoint`, and beside it full tiles of what comes next. So what a
/// killed export left is read and checked again from the first entry on, and continued behind its last full bundle.
struct TilesExport {
    let client: LedgerClient
    let folder: OutputFolder

    func run() async throws -> ExportReport {
        let checkpoint = try await client.checkpoint()
        let firstEvent = try await client.get(1)
        var state = try openState(firstEvent, checkpoint)
        var builder = TileBuilder()
        var progress = RangeProgress(first: 1, last: checkpoint.size, verb: "checked")
        let existing = try walk(&builder, to: checkpoint, &progress)
        let resumedAt = builder.size + 1
        progress = RangeProgress(
            first: 1, last: checkpoint.size, begin: resumedAt, verb: "exported")
        if builder.size < checkpoint.size {
            for try await event in client.list(first: resumedAt, last: checkpoint.size) {
                for file in try builder.append(event.entry()) {
                    try folder.write(file.name, file.bytes)
                }
                try compare(builder, existing)
                progress.draw(through: event.sequenceNumber)
            }
        }
        progress.clear()
        try compare(builder, checkpoint)
        guard builder.size == checkpoint.size else {
            throw VerificationError(
                .incomplete,
                "the service listed \(builder.size) of \(checkpoint.size) events")
        }
        try finish(builder, checkpoint, &state)
        let keys = client.configuration.verifierKeys
        return ExportReport(
            format: .tiles, out: folder.path, first: 1, last: checkpoint.size,
            resumedAt: resumedAt == 1 ? nil : resumedAt, checkpoint: checkpoint,
            isSigned: !keys.isEmpty)
    }

    private func openState(
        _ firstEvent: SealedEvent, _ checkpoint: SignedCheckpoint
    ) throws -> ExportState {
        guard let state = try ExportState.read(folder) else {
            let state = ExportState(
                format: .tiles, first: 1, firstEventHash: firstEvent.eventHash,
                origin: checkpoint.origin, sizes: [])
            try state.write(folder)
            return state
        }
        try state.check(format: .tiles, firstEvent: firstEvent, folder: folder)
        guard state.origin == checkpoint.origin else {
            throw VerificationError(
                .wrongOrigin,
                "\(folder.path) holds an export of \(state.origin ?? "another ledger"), the "
                    + "service's checkpoint is of \(checkpoint.origin)")
        }
        return state
    }

    /// Reads the full bundles that are there, checks them and their hashes, and writes what is missing of the latter.
    ///
    /// - Returns: The folder's own checkpoint, where there is one.
    private func walk(
        _ builder: inout TileBuilder, to checkpoint: SignedCheckpoint,
        _ progress: inout RangeProgress
    ) throws -> SignedCheckpoint? {
        let tiles = TilesFolder { name, limit in try folder.read(name, limit: limit) }
        let existing = try tiles.checkpoint()
        let keys = client.configuration.verifierKeys
        if !keys.isEmpty { _ = try existing?.verified(by: keys) }
        if let existing, existing.size > checkpoint.size {
            throw VerificationError(
                .incomplete,
                "\(folder.path) has the checkpoint of \(existing.size) events, the service has one "
                    + "of \(checkpoint.size): it lost events, or is another ledger")
        }
        let width = EntryBundle.maxCount
        while let entries = try full(tiles, builder.size / UInt64(width)) {
            let name = TileBuilder.entriesName(builder.size / UInt64(width))
            for entry in entries {
                let files = try tiles.naming(name) { () throws(VerificationError) in
                    try builder.append(entry)
                }
                // The last one is the bundle itself.
                for file in files.dropLast() where try !tiles.check(file) {
                    try folder.write(file.name, file.bytes)
                }
                try compare(builder, existing)
                try compare(builder, checkpoint)
            }
            guard builder.size <= checkpoint.size else {
                throw VerificationError(
                    .incomplete,
                    "\(folder.path) has more than the \(checkpoint.size) events of the service's "
                        + "checkpoint")
            }
            progress.draw(through: builder.size)
        }
        progress.clear()
        return existing
    }

    private func full(_ tiles: TilesFolder, _ index: UInt64) throws -> [SealedEntry]? {
        let name = TileBuilder.entriesName(index)
        guard let bytes = try tiles.read(name, EntryBundle.maxByteCount) else { return nil }
        return try tiles.naming(name) { () throws(VerificationError) in
            let entries = try EntryBundle.entries(bytes)
            guard entries.count == EntryBundle.maxCount else {
                throw VerificationError(.incomplete, "it has \(entries.count) entries")
            }
            return entries
        }
    }

    /// Where the entries are as many as a checkpoint covers, they must give its root.
    private func compare(
        _ builder: TileBuilder, _ checkpoint: SignedCheckpoint?
    ) throws(VerificationError) {
        guard let checkpoint, checkpoint.size == builder.size else { return }
        guard checkpoint.rootHash == builder.rootHash else {
            throw VerificationError(
                .wrongRoot,
                "the \(builder.size) entries give the root \(builder.rootHash), the checkpoint has "
                    + "\(checkpoint.rootHash)")
        }
    }

    /// Writes the right edge and then the checkpoint, and removes edges of other sizes.
    private func finish(
        _ builder: TileBuilder, _ checkpoint: SignedCheckpoint, _ state: inout ExportState
    ) throws {
        let earlier = (state.sizes ?? []).filter { $0 != checkpoint.size }
        state.sizes = earlier + [checkpoint.size]
        try state.write(folder)
        for file in builder.partialFiles { try folder.write(file.name, file.bytes) }
        try folder.write(TilesFolder.checkpointName, checkpoint.note)
        let names = Set(TileBuilder.partialNames(size: checkpoint.size))
        for size in earlier {
            for name in TileBuilder.partialNames(size: size) where !names.contains(name) {
                try folder.remove(name)
            }
        }
        state.sizes = [checkpoint.size]
        try state.write(folder)
    }
}
