internal import ArgumentParser
internal import EtcdGateway
internal import Foundation
internal import LedgerArchive
internal import LedgerCore
internal import LedgerStore
internal import Logging

struct ArchiveRecoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Bring a restored or empty etcd up to the archive's size.",
        discussion: """
            For when etcd was lost: restore its last snapshot, or begin with an empty cluster, keep all replicas stopped \
            (scale the StatefulSet or Deployment to 0), and run this. It verifies the whole archive, compares the store \
            with it, and then writes the very same entries, tiles, ids and head again, so that no number is given twice. \
            It may be stopped and run again at any moment.

            What was acknowledged after the archive's last checkpoint (LEDGER_ARCHIVE_INTERVAL, 30 s, at most, while the \
            storage could be reached) is lost with etcd: those numbers are given out again, to other events. Callers that \
            submit the same events again get new numbers for them. The command says up to which moment everything is there, \
            and asks.

            Where a fence stands, it is decided as by "ledgerctl unfence": what witnesses and external checkpoints have \
            seen beyond the archive is recorded as given up. Where somebody has seen another past, the fence stays. An \
            empty etcd has no fence: replicas that find more outside than there is raise one when they start, and \
            "ledgerctl unfence" decides.

            Exit code 0: etcd has everything that the archive has. 1: not confirmed, or a replica runs. 7: the archive is \
            damaged, or etcd has another past; nothing was written. 8: etcd or the storage cannot be reached.
            """)

    @OptionGroup var archiveOptions: ArchiveOptions
    @OptionGroup var etcd: EtcdOptions

    @Option(
        name: .long,
        help:
            "Into an empty etcd only so many of the newest events are put, the others stay in the archive; or \"all\"."
    )
    var retainEvents = "1000000"

    @Option(
        name: .long,
        help: "The number of the last event that will be there, to confirm without being asked.")
    var accept: UInt64?

    @Flag(name: .long, help: "Verify and compare, and write nothing.")
    var dryRun = false

    private var retain: UInt64? { retainEvents == "all" ? nil : UInt64(retainEvents) }

    func validate() throws {
        guard retainEvents == "all" || retain ?? 0 >= 8_192 else {
            throw ValidationError("--retain-events is a number of at least 8192, or \"all\".")
        }
    }

    func run() async throws {
        let (objects, keys) = try archiveOptions.open()
        let reader = ArchiveReader(
            objects, cacheBytes: 64 << 20,
            logger: Logger(label: "ledgerctl") { _ in SwiftLogNoOpLogHandler() })
        try await etcd.withStore(archived: reader) { store in
            try await recover(store) {
                ArchiveRecovery(objects, keys: keys, store: $0, retain: retain)
            }
        }
    }

    private func recover(
        _ store: LedgerStore, _ recovery: (LedgerStore) -> ArchiveRecovery
    ) async throws {
        var line = TerminalLine()
        defer { line.clear() }
        let start = ContinuousClock.now
        let plan = try await ArchiveOptions.reported {
            try await recovery(store).run(
                confirm: { plan in
                    line.clear()
                    return try isConfirmed(plan)
                },
                progress: { progress in
                    switch progress {
                    case .verified(let number, let size):
                        line.draw { _ in "\(number) of \(size) events verified" }
                    case .restored(let number, let size):
                        line.draw { _ in "\(number) of \(size) events restored" }
                    case .waiting(let address):
                        line.draw { seconds in
                            "\(Printable.escape(address)) holds the hint: \(Int(seconds)) s"
                        }
                    }
                })
        }
        line.clear()
        guard let plan else {
            if dryRun { return }
            throw ExitCode(ExitCodes.failure)
        }
        let seconds = start.duration(to: .now) / .seconds(1)
        try Console.write(
            "recovered: etcd has all \(plan.size) events of the archive "
                + "(\(plan.size - plan.before.rawValue) were missing; \(Int(seconds)) s)")
        try await unfence(store, plan)
    }

    // MARK: Asking

    private func isConfirmed(_ plan: ArchiveRecovery.Plan) throws -> Bool {
        for line in Self.report(plan, now: Timestamps.nowMilliseconds) { Console.note(line) }
        if dryRun {
            Console.note("Nothing was written: --dry-run.")
            return false
        }
        if accept == nil, isatty(STDIN_FILENO) != 1 {
            Console.note(
                "ledgerctl: give the number of the last event that will be there with --accept; nobody can be asked here"
            )
            return false
        }
        if accept == nil {
            Console.note(
                "To accept that everything behind it is lost, type the number of the last event:")
        }
        let number =
            accept
            ?? readLine().flatMap { UInt64($0.trimmingCharacters(in: .whitespaces)) }
        guard number == plan.size else {
            Console.note(
                "ledgerctl: not confirmed, and nothing was written: the last event will be number \(plan.size)"
            )
            return false
        }
        return true
    }

    /// What an operator decides about.
    static func report(_ plan: ArchiveRecovery.Plan, now: Int64) -> [String] {
        let sealed = Date(timeIntervalSince1970: Double(plan.lastTimestamp) / 1_000)
        let age = max(0, now - plan.lastTimestamp) / 1_000
        var lines = [
            "The archive is whole: \(plan.size) events, root \(plan.root.hex).",
            "  etcd ends with number \(plan.before), and is the archive's beginning.",
            "  \(plan.size - plan.before.rawValue) events will be restored.",
            "  the last of them was sealed at \(sealed.formatted(.iso8601)), \(age) s ago: what was acknowledged after it "
                + "is lost",
        ]
        if plan.trimmed > .zero {
            lines.append("  events 1 to \(plan.trimmed) stay in the archive alone")
        }
        return lines
    }

    // MARK: The fence

    /// What is given up, for it is beyond the archive: that was confirmed.
    ///
    /// - Returns: nil where a recovery mends nothing, and confirming its loss decides nothing: somebody has seen another
    ///   past, or why the ledger is fenced is not understood here.
    static func lost(
        _ fence: FenceRecord?, _ stored: LedgerStore.StoredCheckpoint?, _ head: Head
    ) -> [OutsideRecord]? {
        guard let fence else { return nil }
        let records = UnfenceCommand.givenUp(fence.records, stored, head)
        let isAnotherPast = { (record: OutsideRecord) in
            record.isContradicted && record.size <= head.tree.size
        }
        guard !records.contains(where: isAnotherPast) else { return nil }
        return records.filter { $0.size > head.tree.size }
    }

    private func unfence(_ store: LedgerStore, _ plan: ArchiveRecovery.Plan) async throws {
        guard let fence = try await store.fence(), fence.reason != nil else { return }
        let observation = try await store.observe().observation
        let head = observation.head
        guard let lost = Self.lost(fence.record, try await store.checkpoint(), head) else {
            Console.note(
                "ledgerctl: the fence stands: somebody has seen another past than the archive's, or why it was raised is not "
                    + "understood. Look into it; ledgerctl unfence says why, and decides")
            throw ExitCode(ExitCodes.failure)
        }
        for record in lost {
            Console.note(
                "  given up: \(Printable.escape(record.source)) has seen \(record.size) events")
        }
        let put = try await store.putFence(
            FenceRecord(.accepted(size: head.tree.size, root: head.tree.root), records: lost),
            replacing: fence.revision, counter: observation.revision)
        guard put != nil else {
            Console.note(
                "ledgerctl: the fence stands, for it has changed meanwhile: run ledgerctl unfence")
            throw ExitCode(ExitCodes.failure)
        }
        try Console.write("the fence is lifted: start the replicas")
    }
}
