internal import ArgumentParser
internal import Foundation
internal import LedgerCore
internal import LedgerStore

struct UnfenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unfence",
        abstract: "Decide about a fence: accept the ledger as it is stored, and seal on.",
        discussion: """
            Replicas stop sealing (FENCED, LEDGER_ROLLED_BACK) when somebody outside the store has \
            seen more of the ledger than it has, or another past: it was restored from an older \
            copy, or changed. No restart ends that. Look into what happened first; where the \
            missing events can be had again (a newer snapshot), restore that instead.

            This command talks to etcd itself, with the service's own variables. It shows why \
            the ledger is fenced and where it ends, and asks for that last number. Who types it \
            accepts that events which were sealed beyond it, and acknowledged to callers, are \
            lost, and that their numbers are given out again. Within seconds every replica that \
            runs reads the ledger anew and seals on.

            Witnesses and external checkpoints go on saying what they have seen: what is known of \
            them now is recorded as given up. Start a new witness state, or a new LEDGER_ORIGIN, \
            where a witness is to cosign again.

            Exit code 0: decided. 1: there is no fence, or it was not accepted. 7: what is stored \
            is no ledger. 8: etcd cannot be reached.
            """)

    @OptionGroup var etcd: EtcdOptions

    @Option(
        name: .long,
        help: "The number of the last event that is accepted; must be the stored one.")
    var accept: UInt64?

    func run() async throws {
        try await etcd.withStore { try await decide($0) }
    }

    private func decide(_ store: LedgerStore) async throws {
        guard let fence = try await store.fence() else {
            Console.note("ledgerctl: there is no fence: nothing is to be decided")
            throw ExitCode(ExitCodes.failure)
        }
        let observation = try await store.observe().observation
        let head = observation.head
        if let record = fence.record, case .accepted(let size, _) = record.state {
            Console.note("ledgerctl: it was decided already, for the ledger up to number \(size)")
            throw ExitCode(ExitCodes.failure)
        }
        let records = Self.givenUp(
            fence.record?.records ?? [], try await store.checkpoint(), head)
        for line in Self.report(fence.record, records, head) { Console.note(line) }
        guard try number() == head.sequence.rawValue else {
            Console.note(
                "ledgerctl: not accepted: the ledger ends with number \(head.sequence), which must be given"
            )
            throw ExitCode(ExitCodes.failure)
        }
        let decision = FenceRecord(
            .accepted(size: head.tree.size, root: head.tree.root),
            records: records)
        let put = try await store.putFence(
            decision, replacing: fence.revision, counter: observation.revision)
        guard put != nil else {
            Console.note(
                "ledgerctl: not accepted: the ledger or its fence has changed meanwhile; run it again"
            )
            throw ExitCode(ExitCodes.failure)
        }
        try Console.write(
            "accepted: the ledger goes on after number \(head.sequence); replicas read it anew within "
                + "seconds")
    }

    /// What is given up: what the fence names, and the signed checkpoint in etcd where it says more than the ledger has,
    /// or something else of its end.
    static func givenUp(
        _ records: [OutsideRecord], _ stored: LedgerStore.StoredCheckpoint?, _ head: Head
    ) -> [OutsideRecord] {
        guard let stored, let note = try? SignedNote(parsing: stored.bytes),
            let checkpoint = try? Checkpoint(parsing: note.text),
            checkpoint.size > head.tree.size
                || (checkpoint.size == head.tree.size && checkpoint.root != head.tree.root)
        else { return records }
        let record = OutsideRecord(
            source: OutsideRecord.storedCheckpoint, size: checkpoint.size, root: checkpoint.root)
        return records.contains(record) ? records : [record] + records
    }

    /// What the operator decides about.
    static func report(
        _ record: FenceRecord?, _ records: [OutsideRecord], _ head: Head
    ) -> [String] {
        var lines = ["The ledger is fenced: nothing is sealed."]
        if case .fenced(let reason) = record?.state {
            lines.append("  why:   \(Printable.escape(reason))")
        } else {
            lines.append(
                "  why:   unknown: the key fence holds what this version does not understand")
        }
        lines.append("  it ends with number \(head.sequence), root \(head.tree.root.hex)")
        for record in records {
            let past =
                record.size > head.tree.size
                ? "\(record.size - head.tree.size) more, which are lost" : "another past"
            lines.append(
                "  seen:  \(Printable.escape(record.source)): \(record.size) events (\(past))")
        }
        return lines
    }

    private func number() throws -> UInt64? {
        if let accept { return accept }
        guard isatty(STDIN_FILENO) == 1 else {
            Console.note(
                "ledgerctl: give the number that you accept with --accept; nobody can be asked here"
            )
            throw ExitCode.validationFailure
        }
        Console.note(
            "To accept this ledger, and the loss of all that is not in it, type that number:")
        return readLine().flatMap { UInt64($0.trimmingCharacters(in: .whitespaces)) }
    }
}
