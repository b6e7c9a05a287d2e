internal import ArgumentParser

struct ArchiveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "archive",
        abstract:
            "Look into the archive of sealed events, copy it, and recover a lost etcd from it.",
        discussion: """
            The archive is where LEDGER_ARCHIVE says: a static C2SP tlog-tiles log, which needs no service. A bucket is \
            reached with the service's own variables (LEDGER_ARCHIVE_ENDPOINT, _REGION, _CA_CERT, _ADDRESSING, \
            _CONDITIONAL_PUT, _ACCESS_KEY, _SECRET_KEY, _SESSION_TOKEN, or the last three with _FILE), etcd with ETCD_ENDPOINTS and so on.
            """,
        subcommands: [
            ArchiveStatusCommand.self, ArchiveVerifyCommand.self, ArchiveExportCommand.self,
            ArchiveRecoverCommand.self, ArchiveSetAsideCommand.self,
        ])
}
