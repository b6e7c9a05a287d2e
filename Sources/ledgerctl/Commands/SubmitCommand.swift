internal import ArgumentParser
internal import Foundation
internal import LedgerClient

struct SubmitCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Seal one event, or a file of them.",
        discussion: """
            One event:
              ledgerctl submit --id evt-1 --payload 'transaction data'
              ledgerctl submit --id evt-2 --payload-file invoice.pdf --metadata zone=eu

            Many, one JSON object a line ("-" reads standard input):
              ledgerctl submit --jsonl events.jsonl
              {"event_id":"evt-3","payload":"text","veps_timestamp":1702234567891}
              {"event_id":"evt-4","payload_base64":"AAE=","veps_timestamp":1702234567892,
               "veps_signature":"...","metadata":{"zone":"eu"}}      (on one line)

            An event is sealed at most once. After an unknown outcome (exit code 4) run the same \
            command again with --resolve and the same --timestamp, until it is settled: an event \
            that was sealed already keeps its number. The timestamp belongs to the content; the \
            same id with another one conflicts.
            """)

    @OptionGroup var options: GlobalOptions

    @Option(name: .long, help: "The event's id, 1 to 256 bytes.")
    var id: String?

    @Option(name: .long, help: "The payload, as text.")
    var payload: String?

    @Option(name: .long, help: "The file that is the payload; - is standard input.")
    var payloadFile: String?

    @Option(name: .long, help: "The certifier's signature.")
    var signature = ""

    @Option(
        name: .long,
        help: "When the event was certified, in ms since 1970. (default: now; none for --jsonl)")
    var timestamp: Int64?

    @Option(
        name: .long, parsing: .singleValue,
        help: ArgumentHelp("An entry of the metadata; may be repeated.", valueName: "key=value"))
    var metadata: [String] = []

    @Option(name: .long, help: "A file with one event a line; - is standard input.")
    var jsonl: String?

    @Flag(
        name: .long,
        help: "An earlier run had an unknown outcome: no refusal of this one makes it certain.")
    var resolve = false

    mutating func validate() throws {
        if jsonl != nil {
            guard id == nil, payload == nil, payloadFile == nil, metadata.isEmpty, signature.isEmpty
            else {
                throw ValidationError("--jsonl has everything in its lines, except --timestamp.")
            }
            return
        }
        guard id != nil else { throw ValidationError("Give --id, or --jsonl.") }
        guard (payload == nil) != (payloadFile == nil) else {
            throw ValidationError("Give either --payload or --payload-file.")
        }
        _ = try parsedMetadata()
    }

    func run() async throws {
        if let jsonl {
            try await BulkSubmit(command: self, path: jsonl, defaultTimestamp: timestamp).run()
        } else {
            try await submitOne()
        }
    }

    /// The metadata entries, each as `key=value`; a value may contain further equals signs.
    func parsedMetadata() throws -> [String: String] {
        var result: [String: String] = [:]
        for entry in metadata {
            guard let equals = entry.firstIndex(of: "="), equals > entry.startIndex else {
                throw ValidationError("--metadata must be key=value, not \"\(entry)\".")
            }
            let key = String(entry[..<equals])
            guard result[key] == nil else {
                throw ValidationError("--metadata has the key \"\(key)\" twice.")
            }
            result[key] = String(entry[entry.index(after: equals)...])
        }
        return result
    }

    private func submitOne() async throws {
        let event = CertifiedEvent(
            eventID: id ?? "",
            payload: try await payloadBytes(),
            vepsSignature: signature,
            vepsTimestamp: timestamp ?? Timestamps.nowMilliseconds,
            metadata: try parsedMetadata())
        try await withClient { client in
            do {
                let sealed = try await client.submit(event, resolvingUnknown: resolve)
                try write(sealed, outcome: "sealed")
            } catch let error as LedgerError {
                guard case .duplicate(let original) = error.kind else {
                    if error.sealed == .unknown, timestamp == nil, options.output == .text {
                        Console.note(
                            "The same event again: --resolve --timestamp \(event.vepsTimestamp)")
                    }
                    throw error
                }
                if options.output == .text {
                    Console.note("Sealed before, as number \(original.sequenceNumber).")
                }
                try write(original, outcome: "duplicate")
            }
        }
    }

    private func payloadBytes() async throws -> [UInt8] {
        if let payload { return Array(payload.utf8) }
        guard let payloadFile else { return [] }
        let limit = LineSplitter.maximumLength
        let bytes: [UInt8]?
        do {
            bytes = try await ChunkReader(path: payloadFile).readAll(limit: limit)
        } catch {
            Console.note("ledgerctl: \(payloadFile) cannot be read: \(error.localizedDescription)")
            throw ExitCode(ExitCodes.failure)
        }
        guard let bytes else {
            Console.note("ledgerctl: \(payloadFile) exceeds \(limit) bytes. Nothing was sent.")
            throw ExitCode(ExitCodes.notSealed)
        }
        return bytes
    }
}
