internal import ArgumentParser
internal import LedgerArchive
internal import LedgerCore
internal import ObjectStorage

struct ArchiveVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract:
            "Read the whole archive and check every object, without etcd and without a service.",
        discussion: """
            Every entry's form, number, link and time; tiles of all levels; ids segments; and that all of it leads to the \
            root that one of the keys has signed. Memory grows by a seventh of a byte an event. Exit code 0: \
            all is right. 7: it is not, and the object is named. 8: the storage cannot be reached.
            """)

    @OptionGroup var archiveOptions: ArchiveOptions

    @Option(name: .long, help: "text or json.")
    var output = OutputFormat.text

    func run() async throws {
        let (objects, keys) = try archiveOptions.open()
        let archive = try await ArchiveOptions.reported {
            let verification = ArchiveVerification(objects, keys: keys)
            let size = try await verification.checkpoint().checkpoint.size
            var progress = RangeProgress(first: 1, last: size, verb: "verified")
            defer { progress.clear() }
            return try await verification.verify { progress.draw(through: $0) }.archive
        }
        let report = ArchiveReport(archive, location: objects.location)
        switch output {
        case .text: try Console.write(EventText.table(report.fields))
        case .json: try Console.write(JSONLine.encode(report))
        }
    }
}

/// An archive that was verified.
struct ArchiveReport: Encodable {
    let location: String
    let events: UInt64
    let rootHash: String
    let objects: UInt64
    let bytes: UInt64

    init(_ archive: VerifiedArchive, location: String) {
        self.location = location
        events = archive.size
        rootHash = archive.note.checkpoint.root.hex
        objects = archive.objectCount
        bytes = archive.byteCount
    }

    /// Names and values, for people.
    var fields: [(String, String)] {
        [
            ("archive", Printable.escape(location)), ("verified", "\(events) events"),
            ("root hash", rootHash), ("objects", "\(objects)"), ("bytes", "\(bytes)"),
        ]
    }
}
