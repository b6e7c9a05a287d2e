internal import LedgerClient
internal import LedgerVerify

/// Exports a range of events as one file of JSON Lines or CSV.
struct LinesExport {
    /// After so many events, or bytes, everything is brought to the disk and written down: what a kill costs.
    private static let eventsBetweenSaves: UInt64 = 4096
    private static let bytesBetweenSaves: UInt64 = 8 << 20

    let client: LedgerClient
    let folder: OutputFolder
    let format: ExportFormat

    /// The first and the last number.
    let range: ClosedRange<UInt64>

    func run() async throws -> ExportReport {
        let firstEvent = try await client.get(range.lowerBound)
        var state = try openState(firstEvent)
        var position = state.lines ?? newPosition
        let resumedAt = position.next
        if position.next > range.upperBound + 1 {
            throw FileError(
                "\(folder.path) has events up to number \(position.next - 1) already, beyond --last"
            )
        }
        var file = try LinesFile(
            folder.path("events.\(format.rawValue)"), byteCount: position.byteCount,
            sha256: position.sha256)
        if file.byteCount == 0, format == .csv { try file.append(CSVLine.header) }
        var chain = chain(position)
        var progress = RangeProgress(
            first: range.lowerBound, last: range.upperBound, begin: resumedAt, verb: "exported")
        func save() throws {
            try file.sync()
            position.next = chain.nextNumber
            position.byteCount = file.byteCount
            position.sha256 = file.sha256
            position.lastHash = chain.lastHash?.hex ?? ""
            position.lastTimestamp = chain.lastTimestamp
            state.lines = position
            try state.write(folder)
        }
        if position.next <= range.upperBound {
            for try await event in client.list(first: position.next, last: range.upperBound) {
                try chain.append(event.entry())
                try file.append(try line(event))
                if chain.nextNumber - position.next >= Self.eventsBetweenSaves
                    || file.byteCount - position.byteCount >= Self.bytesBetweenSaves
                {
                    try save()
                }
                progress.draw(through: event.sequenceNumber)
            }
        }
        progress.clear()
        try save()
        let checkpoint = try await check(chain)
        try file.complete()
        return ExportReport(
            format: format, out: folder.path, first: range.lowerBound, last: range.upperBound,
            resumedAt: resumedAt == range.lowerBound ? nil : resumedAt, checkpoint: checkpoint,
            isSigned: checkpoint != nil)
    }

    /// The state of the folder, or a new one; refuses what is of another ledger or another range.
    private func openState(_ firstEvent: SealedEvent) throws -> ExportState {
        guard let state = try ExportState.read(folder) else {
            let state = ExportState(
                format: format, first: range.lowerBound, firstEventHash: firstEvent.eventHash,
                lines: newPosition)
            try state.write(folder)
            return state
        }
        try state.check(format: format, firstEvent: firstEvent, folder: folder)
        return state
    }

    private var newPosition: ExportState.Lines {
        ExportState.Lines(
            next: range.lowerBound, byteCount: 0, sha256: LinesFile.emptyHash, lastHash: "")
    }

    private func chain(_ position: ExportState.Lines) -> ChainVerifier {
        guard let hash = LedgerHash(hex: position.lastHash) else {
            return ChainVerifier(from: range.lowerBound)
        }
        return ChainVerifier(
            after: position.next - 1, hash: hash, timestamp: position.lastTimestamp)
    }

    private func line(_ event: SealedEvent) throws -> String {
        switch format {
        case .jsonl: try JSONLine.encode(SealedEventJSON(event: event)) + "\n"
        case .csv, .tiles: try CSVLine.encode(event)
        }
    }

    /// Where there are keys, checks that a signed checkpoint covers the last event. Its hash fixes those of all events
    /// before it, each of which was found linked to the next.
    private func check(_ chain: ChainVerifier) async throws -> SignedCheckpoint? {
        guard !client.configuration.verifierKeys.isEmpty else { return nil }
        let contents = try await client.receipt(of: range.upperBound, wait: .seconds(10)).contents()
        guard contents.entry.hash == chain.lastHash else {
            throw VerificationError(
                .wrongHash,
                "the receipt of event \(range.upperBound) is for the hash \(contents.entry.hash), "
                    + "the export has \(chain.lastHash?.hex ?? "none")")
        }
        return contents.checkpoint
    }
}

extension ExportState {
    /// Refuses to go on with a folder that holds something else.
    func check(
        format: ExportFormat, firstEvent: SealedEvent, folder: OutputFolder
    ) throws {
        guard self.format == format, first == firstEvent.sequenceNumber else {
            throw FileError(
                "\(folder.path) holds an export as \(self.format.rawValue) from number \(first) on: "
                    + "give --out another folder")
        }
        guard firstEventHash == firstEvent.eventHash else {
            throw VerificationError(
                .wrongHash,
                "\(folder.path) holds an export of another ledger: its event \(first) has the hash "
                    + "\(firstEventHash.prefix(64)), the service's \(firstEvent.eventHash)")
        }
    }
}
