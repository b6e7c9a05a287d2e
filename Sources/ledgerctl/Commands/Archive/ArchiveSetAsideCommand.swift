internal import ArgumentParser
internal import Foundation
internal import LedgerArchive
internal import LedgerCore
internal import ObjectStorage

struct ArchiveSetAsideCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set-aside",
        abstract: "Move objects away that no checkpoint of the archive covers.",
        discussion: """
            For when archiving stops with "other_bytes" after etcd was restored from a snapshot: an archiver was killed \
            when it had written objects and not yet their checkpoint, the snapshot lacks those events, and their numbers \
            were given to others. Keep all replicas stopped, and run this. Objects that have an event behind the archive's \
            signed checkpoint, and behind what etcd records as archived, are copied to aside/ in the same place, read back, \
            and removed; nothing that a checkpoint covers is touched. Replicas write what they need again.

            Exit code 0: nothing is there that no checkpoint covers. 1: not confirmed, or a replica runs. 7: the archive's \
            checkpoint is not this ledger's. 8: etcd or the storage cannot be reached.
            """)

    @OptionGroup var archiveOptions: ArchiveOptions
    @OptionGroup var etcd: EtcdOptions

    @Option(
        name: .long,
        help: "How many objects will be moved, to confirm without being asked.")
    var accept: Int?

    @Flag(name: .long, help: "List them, and move nothing.")
    var dryRun = false

    func run() async throws {
        let (objects, keys) = try archiveOptions.open()
        try await etcd.withStore { store in
            var line = TerminalLine()
            defer { line.clear() }
            let plan = try await ArchiveOptions.reported {
                try await ArchiveSetAside(objects, keys: keys, store: store).run(
                    into: "\(Timestamps.nowMilliseconds)",
                    waiting: { address in
                        line.draw { seconds in
                            "\(Printable.escape(address)) holds the hint: \(Int(seconds)) s"
                        }
                    },
                    confirm: { plan in
                        line.clear()
                        return isConfirmed(plan)
                    })
            }
            line.clear()
            guard let plan else {
                if dryRun { return }
                throw ExitCode(ExitCodes.failure)
            }
            try Console.write(
                plan.names.isEmpty
                    ? "nothing is there that no checkpoint covers"
                    : "\(plan.names.count) objects are in aside/ now: start the replicas")
        }
    }

    private func isConfirmed(_ plan: ArchiveSetAside.Plan) -> Bool {
        for name in plan.names.prefix(100) { Console.note("  \(name)") }
        if plan.names.count > 100 { Console.note("  and \(plan.names.count - 100) more") }
        Console.note(
            "\(plan.names.count) objects have events behind number \(plan.size), which no checkpoint covers."
        )
        if dryRun {
            Console.note("Nothing was moved: --dry-run.")
            return false
        }
        if accept == nil, isatty(STDIN_FILENO) != 1 {
            Console.note(
                "ledgerctl: give the number of objects with --accept; nobody can be asked here")
            return false
        }
        if accept == nil { Console.note("To move them away, type how many they are:") }
        let number =
            accept ?? readLine().flatMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        guard number == plan.names.count else {
            Console.note("ledgerctl: not confirmed, and nothing was moved")
            return false
        }
        return true
    }
}
