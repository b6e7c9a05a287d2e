internal import ArgumentParser
internal import Foundation
internal import LedgerArchive
internal import ObjectStorage

struct ArchiveExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Copy the archive to a folder or another bucket, and verify the copy.",
        discussion: """
            The copy is an archive by itself, of the size that the checkpoint states: any C2SP tlog-tiles tool reads it. \
            Objects that are there already are left alone, so that an interrupted export goes on when it is run again, \
            and a later one adds what is new. Exit codes as of "archive verify".
            """)

    @OptionGroup var archiveOptions: ArchiveOptions

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where to: file:///folder or s3://bucket/prefix, with the same variables.",
            valueName: "location"))
    var to: String

    @Option(name: .long, help: "text or json.")
    var output = OutputFormat.text

    func run() async throws {
        let (objects, keys) = try archiveOptions.open()
        let target = try ArchiveOptions.store(to, ProcessInfo.processInfo.environment)
        let archive = try await ArchiveOptions.reported {
            var line = TerminalLine()
            defer { line.clear() }
            return try await ArchiveCopy(from: objects, to: target, keys: keys).run(
                copied: { number, size in line.draw { _ in "\(number) of \(size) events copied" } },
                verified: { number, size in
                    line.draw { _ in "\(number) of \(size) events verified" }
                })
        }
        let report = ArchiveReport(archive, location: target.location)
        switch output {
        case .text: try Console.write(EventText.table(report.fields))
        case .json: try Console.write(JSONLine.encode(report))
        }
    }
}
