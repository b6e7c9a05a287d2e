internal import ArgumentParser
internal import Foundation
internal import LedgerArchive
internal import LedgerCore
internal import LedgerStore
internal import ObjectStorage

struct ArchiveStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "How far the ledger is archived, and how far it has left etcd.",
        discussion: """
            Reads etcd and the archive's checkpoint. Exit code 0: the two agree. 7: they contradict each other, or the \
            checkpoint is not this ledger's. 8: one of them cannot be reached.
            """)

    @OptionGroup var archiveOptions: ArchiveOptions
    @OptionGroup var etcd: EtcdOptions

    @Option(name: .long, help: "text or json.")
    var output = OutputFormat.text

    func run() async throws {
        let (objects, keys) = try archiveOptions.open()
        try await etcd.withStore { store in
            let note = try await ArchiveOptions.reported {
                try await ArchiveVerification(objects, keys: keys).checkpoint()
            }
            let record = try await store.archive()?.record
            let head = try await store.observe().observation.head
            let report = ArchiveStatusReport(
                location: objects.location, recorded: record?.location,
                archived: note.checkpoint.size, rootHash: note.checkpoint.root.hex,
                through: record?.through.rawValue ?? 0, trimmed: record?.trimmed.rawValue ?? 0,
                head: head.sequence.rawValue)
            switch output {
            case .text: try Console.write(EventText.table(report.fields))
            case .json: try Console.write(JSONLine.encode(report))
            }
            if let problem = report.problem {
                Console.note("ledgerctl: \(problem)")
                throw ExitCode(ExitCodes.verificationFailed)
            }
        }
    }
}

/// What etcd and the archive say of each other.
struct ArchiveStatusReport: Encodable {
    let location: String
    /// In etcd's record; nil where there is none.
    let recorded: String?
    /// The size of the archive's checkpoint.
    let archived: UInt64
    let rootHash: String
    let through: UInt64
    let trimmed: UInt64
    let head: UInt64

    var lagEvents: UInt64 { head > archived ? head - archived : 0 }

    /// What must not be; nil where all is well.
    var problem: String? {
        if archived > head {
            return
                "the archive has \(archived) events and etcd \(head): etcd was set back. Stop all "
                + "replicas and run ledgerctl archive recover"
        }
        if through > archived {
            return
                "etcd says that \(through) events are archived, and the archive has \(archived): "
                + "it was set back"
        }
        if let recorded, recorded != location {
            return "the ledger's archive is \(Printable.escape(recorded)), not this one"
        }
        return nil
    }

    /// Names and values, for people.
    var fields: [(String, String)] {
        [
            ("archive", Printable.escape(location)), ("archived", "\(archived) events"),
            ("root hash", rootHash), ("head", "\(head)"), ("not archived yet", "\(lagEvents)"),
            ("read back", "\(through)"),
            ("in the archive alone", trimmed == 0 ? "none" : "1 to \(trimmed)"),
            ("in etcd", head > trimmed ? "\(trimmed + 1) to \(head)" : "none"),
        ]
    }

    private enum CodingKeys: String, CodingKey {
        case location, recorded, archived, rootHash, through, trimmed, head, lagEvents
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(location, forKey: .location)
        try values.encode(recorded, forKey: .recorded)
        try values.encode(archived, forKey: .archived)
        try values.encode(rootHash, forKey: .rootHash)
        try values.encode(through, forKey: .through)
        try values.encode(trimmed, forKey: .trimmed)
        try values.encode(head, forKey: .head)
        try values.encode(lagEvents, forKey: .lagEvents)
    }
}
