internal import ArgumentParser
internal import LedgerClient
internal import LedgerVerify

struct VerifyCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract:
            "Check the ledger's stored bytes, or exported ones; exit code 7 where they are not right.",
        discussion: """
            Has the service check its stored bytes: each event's form, number, time and link, its tiles, its index, the \
            head. Long ranges are verified in parts.

            ledgerctl verify --offline FOLDER --verifier-key KEY
                asks no service, and verifies what "export" has written: a folder of tiles with its checkpoint, or one \
            with events.jsonl and --checkpoint; files of JSON Lines, bundles or entries may be named too, in their order. \
            From entry 1 on the root is computed and must be the checkpoint's, which --verifier-key must have signed.
            """)

    @OptionGroup var options: GlobalOptions
    @OptionGroup var keyOptions: VerifierKeyOptions

    @Option(name: .long, help: "The first number; 0 means 1.")
    var first: UInt64 = 0

    @Option(name: .long, help: "The last number; 0 means the last event there is.")
    var last: UInt64 = 0

    @Option(name: .long, help: "How many events one call verifies.")
    var chunkEvents: UInt64 = 100_000

    @Flag(name: .long, help: "Verify exported entries, and ask no service.")
    var offline = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A checkpoint in a file, for --offline. (default: the folder's)", valueName: "file"))
    var checkpoint: String?

    @Argument(help: "Folders and files with exported entries, for --offline.")
    var paths: [String] = []

    mutating func validate() throws {
        guard offline == !paths.isEmpty else {
            throw ValidationError("--offline and folders or files belong together.")
        }
        guard !offline || (first == 0 && last == 0) else {
            throw ValidationError("--first and --last are for the service, not for --offline.")
        }
        guard offline || checkpoint == nil else {
            throw ValidationError("--checkpoint is for --offline.")
        }
        guard chunkEvents > 0 else { throw ValidationError("--chunk-events must be positive.") }
    }

    func run() async throws {
        if offline {
            let report = try await Failures.reported(options.output) { try await verifyOffline() }
            switch options.output {
            case .text: try Console.write(report.text)
            case .json: try Console.write(JSONLine.encode(report))
            }
            return
        }
        try await withClient { client in
            let report = try await ChunkedVerification(client: client, chunkEvents: chunkEvents)
                .run(first: first, last: last)
            switch options.output {
            case .text: try Console.write(Self.text(report))
            case .json: try Console.write(JSONLine.encode(VerificationJSON(report)))
            }
            if !report.isValid { throw ExitCode(ExitCodes.verificationFailed) }
        }
    }

    private func verifyOffline() async throws -> OfflineReport {
        let keys = try keyOptions.keys()
        var note = try CheckpointFile.read(checkpoint, keys: keys)
        if note == nil, paths.count == 1, FileKind.isFolder(paths[0]) {
            note = try TilesFolder.at(paths[0]).checkpoint()
            if !keys.isEmpty { _ = try note?.verified(by: keys) }
        }
        guard keys.isEmpty || note != nil else {
            throw ValidationError("--verifier-key needs a --checkpoint.")
        }
        var verification = OfflineVerification(checkpoint: note)
        let result = try await verification.run(paths)
        return OfflineReport(result, checkpoint: note, isSigned: !keys.isEmpty)
    }

    /// The report for people.
    static func text(_ report: VerificationReport) -> String {
        let range = report.eventsVerified == 0 ? "" : " (\(report.first) to \(report.last))"
        guard !report.isValid else { return "valid: \(report.eventsVerified) events\(range)" }
        var lines = ["INVALID after \(report.eventsVerified) events\(range)"]
        if let finding = report.firstFinding {
            lines.append(
                EventText.table([
                    ("  first finding", "event \(finding.sequenceNumber)"),
                    ("  kind", Printable.escape(finding.kind)),
                    ("  expected", Printable.escape(finding.expected)),
                    ("  actual", Printable.escape(finding.actual)),
                ]))
        }
        lines.append("Stop relying on the ledger from there on, and tell the operator.")
        return lines.joined(separator: "\n")
    }
}

/// What was found in exported entries that are right.
private struct OfflineReport: Encodable {
    let valid = true
    let eventsVerified: UInt64
    let first: UInt64
    let last: UInt64
    let rootHash: String?
    let origin: String?
    let checkpointSize: UInt64?
    let signatureVerified: Bool

    private enum CodingKeys: String, CodingKey {
        case valid, eventsVerified, first, last, rootHash, origin, checkpointSize
        case signatureVerified
    }

    init(_ result: OfflineVerification.Result, checkpoint: SignedCheckpoint?, isSigned: Bool) {
        eventsVerified = result.last - result.first + 1
        first = result.first
        last = result.last
        rootHash = result.rootHash?.hex
        origin = checkpoint?.origin
        checkpointSize = checkpoint?.size
        signatureVerified = isSigned && checkpoint != nil
    }

    var text: String {
        var lines = ["valid: \(eventsVerified) events (\(first) to \(last))"]
        if let rootHash { lines.append("root \(rootHash)") }
        if let checkpointSize, let origin {
            let signed = signatureVerified ? "signed" : "signature NOT checked (--verifier-key)"
            lines.append(
                "checkpoint of \(Printable.escape(origin)) with \(checkpointSize) events: same root, "
                    + signed)
            if checkpointSize < last {
                lines.append(
                    "events \(checkpointSize + 1) to \(last) are linked to those before, and covered "
                        + "by no checkpoint")
            }
        } else {
            lines.append(
                "Linked to each other. That they are the ledger's, only --checkpoint shows.")
        }
        return lines.joined(separator: "\n")
    }
}
