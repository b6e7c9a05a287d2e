internal import ArgumentParser
internal import LedgerClient
internal import LedgerVerify

extension ExportFormat: ExpressibleByArgument {}

struct ExportCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract:
            "Copy events to a folder, checking each; an interrupted export goes on when it is run again.",
        discussion: """
            tiles  a C2SP tlog-tiles folder (checkpoint, tile/<L>/..., tile/entries/...) of all events that the newest \
            checkpoint covers, which must give its root. The service needs a signing key
            jsonl  events.jsonl: one object a line, as "list --output json" writes them
            csv    events.csv: RFC 4180 with a header; payloads are base64, metadata a JSON object. A text that begins \
            with = + - @ ' or white space has an apostrophe before it, for spreadsheets would run it: drop one apostrophe \
            to have the text

            Every event's hash is recomputed, and its link to the one before. With --verifier-key a signed checkpoint \
            must cover the last event. The file .ledger-export.json says how far the export is; a folder of another \
            ledger is refused. Run again later, the same command adds what is new.
            """)

    /// How many events may be on their way: each has up to 64 KiB.
    private static let window = 256

    @OptionGroup var options: GlobalOptions
    @OptionGroup var keyOptions: VerifierKeyOptions

    @Option(
        name: .long,
        help: ArgumentHelp("The folder; it is made where it is not there.", valueName: "folder"))
    var out: String

    @Option(name: .long, help: "tiles, jsonl or csv.")
    var format = ExportFormat.tiles

    @Option(name: .long, help: "The first number, for jsonl and csv.")
    var first: UInt64?

    @Option(name: .long, help: "The last number, for jsonl and csv. (default: the last there is)")
    var last: UInt64?

    mutating func validate() throws {
        guard format != .tiles || (first == nil && last == nil) else {
            throw ValidationError(
                "--first and --last are for jsonl and csv: tiles are of a whole ledger.")
        }
        guard (first ?? 1) >= 1, (last ?? 1) >= 1, (first ?? 1) <= (last ?? .max) else {
            throw ValidationError("--first and --last must be numbers of events, in this order.")
        }
    }

    func run() async throws {
        let (keys, folder) = try await Failures.reported(options.output) {
            (try keyOptions.keys(), try OutputFolder(out))
        }
        try await withClient {
            $0.verifierKeys = keys
            $0.streamWindow = Self.window
            $0.checksHashes = true
        } _: { client in
            let report = try await export(client, folder)
            switch options.output {
            case .text: try Console.write(report.text)
            case .json: try Console.write(JSONLine.encode(report))
            }
        }
    }

    private func export(
        _ client: LedgerClient, _ folder: OutputFolder
    ) async throws -> ExportReport {
        if format == .tiles { return try await TilesExport(client: client, folder: folder).run() }
        let first = self.first ?? 1
        var last = self.last ?? 0
        if last == 0 { last = try await client.head()?.sequenceNumber ?? 0 }
        guard last >= first else {
            throw LedgerError(
                .notFound, sealed: nil,
                message:
                    "The ledger has \(last) events: there is nothing to export from number \(first) on"
            )
        }
        return try await LinesExport(
            client: client, folder: folder, format: format, range: first...last
        ).run()
    }
}
