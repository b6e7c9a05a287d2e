internal import ArgumentParser
internal import CommandLineSupport

/// The command line of ImmutableLedger.
@main
struct Ledgerctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledgerctl",
        abstract: "Submits events to ImmutableLedger, and reads, checks and watches them.",
        discussion: """
            Options follow the command: ledgerctl get 17 --server ledger:50051

            Results go to standard output, everything else to standard error. With --output json \
            every result is one JSON object on a line of its own, with the names of the API; \
            payloads are base64. Errors are then JSON objects too.

            EXIT CODES
              0   done; for submit: every event is sealed, now or before
              1   another failure
              3   not sealed, and certainly so: correct the event, or submit it again
              4   it is unknown whether an event was sealed: submit it again with --resolve
              5   another event is sealed under the same id
              6   there is no such event
              7   the ledger, or an answer, did not pass verification
              8   the service cannot be reached or cannot answer; nothing was sent
              64  wrong usage

            Where submit has several events, the first code of this list that applies to one of \
            them: 7, 4, 5, 3, 8.

            ENVIRONMENT
              LEDGER_ADDRESS        what --server is unless it is given
              LEDGER_VERIFIER_KEYS  what --verifier-key is unless it or a file is given: keys \
            separated by commas or white space
            """,
        subcommands: [
            SubmitCommand.self, GetCommand.self, ListCommand.self, TailCommand.self,
            HeadCommand.self, VerifyCommand.self, CheckpointCommand.self, ProofCommand.self,
            ReceiptCommand.self, ExportCommand.self, KeygenCommand.self, HealthCommand.self,
            ArchiveCommand.self, UnfenceCommand.self, WitnessCommand.self, BenchCommand.self,
        ])
    static func main() async {
        await runProcess()
    }
}
