internal import ArgumentParser
internal import Foundation
internal import LedgerClient
internal import LedgerVerify

struct ReceiptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipt",
        abstract: "Keep the proof that an event has its number, and check it without the ledger.",
        subcommands: [ReceiptGetCommand.self, ReceiptVerifyCommand.self])
}

struct ReceiptGetCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Write an event's receipt and its canonical bytes to two files.",
        discussion: """
            Both belong together: "receipt verify" needs them and a verifier key, and nothing else. Files that exist are \
            not written over. With --verifier-key the receipt is checked before it is written.
            """)

    @OptionGroup var options: GlobalOptions
    @OptionGroup var keyOptions: VerifierKeyOptions

    @Argument(help: "The event's number.")
    var number: UInt64

    @Option(
        name: .long,
        help: "Milliseconds to wait for a checkpoint that covers the event, at most 60000.")
    var wait = 5000

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where the receipt goes. (default: event-NUMBER.receipt)", valueName: "file"))
    var out: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where the event's bytes go. (default: event-NUMBER.entry)", valueName: "file"))
    var entryOut: String?

    mutating func validate() throws {
        guard (0...60_000).contains(wait) else {
            throw ValidationError("--wait must be 0 to 60000 milliseconds.")
        }
    }

    func run() async throws {
        let keys = try await Failures.reported(options.output) { try keyOptions.keys() }
        let names = (out ?? "event-\(number).receipt", entryOut ?? "event-\(number).entry")
        try await withClient {
            $0.verifierKeys = keys
        } _: { client in
            let receipt = try await client.receipt(of: number, wait: .milliseconds(wait))
            try OutputFile.create(names.0, receipt.proof)
            try OutputFile.create(names.1, receipt.entry)
            let report = try ReceiptReport(receipt.contents(), isVerified: !keys.isEmpty)
            switch options.output {
            case .text:
                let files = [("receipt", names.0), ("entry", names.1)]
                try Console.write(EventText.table(report.fields() + files))
            case .json:
                try Console.write(
                    JSONLine.encode(report.with(receipt: names.0, entryFile: names.1)))
            }
        }
    }
}

struct ReceiptVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check a receipt: exit code 7 where it proves nothing. Asks no service.",
        discussion: "Says what event is proved. Its payload is shown with --show-payload only.")

    @OptionGroup var options: OfflineOptions
    @OptionGroup var keyOptions: VerifierKeyOptions
    @OptionGroup var witnessOptions: WitnessKeyOptions

    @Option(name: .long, help: ArgumentHelp("The receipt.", valueName: "file"))
    var receipt: String

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The event's bytes. (default: the receipt's name with .entry for .receipt)",
            valueName: "file"))
    var entry: String?

    @Flag(name: .long, help: "Show the payload too.")
    var showPayload = false

    /// The file with the event's bytes.
    var entryPath: String {
        if let entry { return entry }
        let ending = ".receipt"
        return (receipt.hasSuffix(ending) ? String(receipt.dropLast(ending.count)) : receipt)
            + ".entry"
    }

    func run() async throws {
        let report = try await Failures.reported(options.output) {
            let keys = try keyOptions.keys()
            guard !keys.isEmpty else {
                throw ValidationError(
                    "Give --verifier-key, --verifier-key-file or LEDGER_VERIFIER_KEYS.")
            }
            let files = EventReceipt(
                proof: try InputFile.read(receipt, limit: EventReceipt.maxProofByteCount),
                entry: try InputFile.read(entryPath, limit: SealedEntry.maxByteCount))
            _ = try files.verify(with: keys)
            let contents = try files.contents()
            return ReceiptReport(
                contents, isVerified: true,
                cosignatures: try witnessOptions.cosignatures(of: contents.checkpoint))
        }
        switch options.output {
        case .text:
            try Console.write(EventText.table(report.fields(showsPayload: showPayload)))
        case .json:
            try Console.write(JSONLine.encode(showPayload ? report.withPayload : report))
        }
    }
}

/// What a receipt proves.
struct ReceiptReport: Encodable {
    let verified: Bool
    let sequenceNumber: UInt64
    let eventId: String
    let eventHash: String
    let sealedTimestamp: Int64
    let vepsTimestamp: Int64
    let submitter: String
    let origin: String
    let treeSize: UInt64
    let rootHash: String
    private var payload: Data?
    private var receipt: String?
    private var entry: String?
    /// The witnesses that are proved to have cosigned the checkpoint.
    let cosignedBy: [String]
    private let cosignatures: [VerifiedCosignature]
    private let proved: SealedEntry

    private enum CodingKeys: String, CodingKey {
        case verified, sequenceNumber, eventId, eventHash, sealedTimestamp, vepsTimestamp
        case submitter, origin, treeSize, rootHash, cosignedBy, payload, receipt, entry
    }

    init(
        _ contents: EventReceipt.Contents, isVerified: Bool,
        cosignatures: [VerifiedCosignature] = []
    ) {
        self.cosignatures = cosignatures
        cosignedBy = cosignatures.map(\.witness.name)
        proved = contents.entry
        verified = isVerified
        sequenceNumber = proved.sequenceNumber
        eventId = proved.eventID
        eventHash = proved.hash.hex
        sealedTimestamp = proved.sealedTimestamp
        vepsTimestamp = proved.vepsTimestamp
        submitter = proved.submitter
        origin = contents.checkpoint.origin
        treeSize = contents.checkpoint.size
        rootHash = contents.checkpoint.rootHash.hex
    }

    /// The report with the names of the files.
    func with(receipt: String, entryFile: String) -> ReceiptReport {
        var copy = self
        copy.receipt = receipt
        copy.entry = entryFile
        return copy
    }

    /// The report with the payload.
    var withPayload: ReceiptReport {
        var copy = self
        copy.payload = Data(proved.payload)
        return copy
    }

    /// Names and values for people.
    func fields(showsPayload: Bool = false) -> [(String, String)] {
        var fields = [
            ("number", "\(sequenceNumber)"),
            ("event id", Printable.escape(eventId)),
            ("certified", Printable.timestamp(vepsTimestamp)),
            ("sealed", Printable.timestamp(sealedTimestamp)),
            ("submitter", submitter.isEmpty ? "(none)" : Printable.escape(submitter)),
        ]
        if showsPayload {
            fields.append(
                ("payload", Printable.preview(proved.payload, limit: SealedEntry.maxByteCount)))
        }
        fields.append(("event hash", eventHash))
        fields.append(("ledger", Printable.escape(origin)))
        fields.append(("checkpoint", "\(treeSize) events, root \(rootHash)"))
        for cosignature in cosignatures { fields.append(("cosigned by", cosignature.text)) }
        fields.append(
            (
                "proved",
                verified
                    ? "yes: the ledger has this event at this number"
                    : "no: the checkpoint's signature was not checked (--verifier-key)"
            ))
        return fields
    }
}
