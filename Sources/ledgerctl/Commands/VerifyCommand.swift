internal import ArgumentParser
internal import LedgerClient

struct VerifyCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Have the service check its stored bytes; exit code 7 where they are not right.")

    @OptionGroup var options: GlobalOptions

    @Option(name: .long, help: "The first number; 0 means 1.")
    var first: UInt64 = 0

    @Option(name: .long, help: "The last number; 0 means the last event there is.")
    var last: UInt64 = 0

    func run() async throws {
        try await withClient { client in
            let report = try await client.verify(first: first, last: last)
            switch options.output {
            case .text: try Console.write(Self.text(report))
            case .json: try Console.write(JSONLine.encode(VerificationJSON(report)))
            }
            if !report.isValid { throw ExitCode(ExitCodes.verificationFailed) }
        }
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
