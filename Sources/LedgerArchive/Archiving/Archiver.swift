package import LedgerCore
package import LedgerReplica
package import LedgerStore
package import LedgerTransparency
package import Logging
package import ObjectStorage
import ServiceLifecycle
import Synchronization

/// Writes what is sealed to an archive (formats.md, "Objects of an archive"): at every moment a whole static log of the size that its
/// checkpoint states.
///
/// `ArchiveMachine` says when and whose turn it is. Objects come first, each put only if absent and read back; then the
/// checkpoint, never a smaller one; then `archive.through` in etcd, by comparison and only growing (protocol.md 26).
/// Nothing is archived of a ledger whose own parts do not agree, or while the replica is fenced. Sealing never waits for
/// any of it.
package final class Archiver: Service {
    /// What the replica beside it knows at a moment.
    package struct View: Sendable {
        /// Whether it seals, as far as it knows.
        package var leads: Bool
        package var isFenced: Bool
        /// The newest number that it covers; nil until the ledger was read.
        package var head: SequenceNumber?

        package init(leads: Bool, isFenced: Bool, head: SequenceNumber?) {
            self.leads = leads
            self.isFenced = isFenced
            self.head = head
        }
    }

    package struct Settings: Sendable {
        /// `LEDGER_ARCHIVE_INTERVAL`.
        package var interval: Nanoseconds
        /// `LEDGER_ORIGIN`.
        package var origin: String
        /// All keys by which a checkpoint is known to be this ledger's.
        package var keys: [NoteVerifier]

        package init(interval: Nanoseconds, origin: String, keys: [NoteVerifier]) {
            self.interval = interval
            self.origin = origin
            self.keys = keys
        }
    }

    /// What has become of it so far.
    package struct Status: Sendable {
        /// Every event up to this number is archived, as far as is known here; nil before it was read.
        package var through: UInt64?
        /// Events up to this number may have left etcd.
        package var trimmed: UInt64 = 0
        package var lagEvents: UInt64 = 0
        package var lag = Nanoseconds.zero
        /// Rounds of this replica that ended well, and that did not.
        package var rounds: Int64 = 0
        package var failures: Int64 = 0
        /// What went wrong last, and nothing has gone well since.
        package var trouble: ArchiveFailure?
    }

    /// How long one request of etcd may take.
    static let timeout = Duration.milliseconds(1_000)
    /// How long a round waits for this replica to cover what the checkpoint states.
    static let catchUp = Nanoseconds.milliseconds(2_000)
    /// So often in a row another replica's record may come first, or the storage may answer with an older checkpoint.
    static let attempts = 5
    /// Partial objects stay until the full one is there, and then for so long, for readers that hold an older checkpoint.
    static let partialGrace = Nanoseconds.milliseconds(600_000)
    /// So many of them wait for that; what is more is left where it is, which harms nobody.
    static let mostSuperseded = 1_024
    /// After so many ids segments it is noted how far a round has come: 16,384 events.
    static let notedSegments: UInt64 = 4

    struct State {
        var machine: ArchiveMachine
        var status = Status()
        /// What the last round's walk ended with.
        var segment: IdSegment?
        /// What a round has written that did not end well.
        var written: WrittenPart?
        /// Partial objects that the published log no longer has, and when they go; nil before the full ones are there.
        var superseded: [(path: TilePath, due: MonotonicInstant?)] = []
        var told: String?
    }

    let settings: Settings
    let store: LedgerStore
    let objects: any ObjectStore
    let archived: ArchivedCheckpoint
    let tree: TreeReader
    let clock: any ReplicaClock
    let logger: Logger
    let view: @Sendable () -> View
    let covered: @Sendable (SequenceNumber, Nanoseconds) async -> Void
    let blockStart: @Sendable (SequenceNumber) -> SequenceNumber?
    let state: Mutex<State>

    /// - Parameters:
    ///   - store: where the ledger is read; its pages come after all others.
    ///   - tree: of the replica beside it.
    ///   - covered: waits until the replica covers a number, for so long at most.
    ///   - blockStart: where the block begins that holds a number; nil where the replica does not know.
    package init(
        settings: Settings, store: LedgerStore, objects: any ObjectStore, tree: TreeReader,
        clock: any ReplicaClock, logger: Logger, view: @escaping @Sendable () -> View,
        covered: @escaping @Sendable (SequenceNumber, Nanoseconds) async -> Void,
        blockStart: @escaping @Sendable (SequenceNumber) -> SequenceNumber?
    ) {
        self.settings = settings
        self.store = store.patient
        self.objects = objects
        self.tree = tree
        self.clock = clock
        self.logger = logger
        self.view = view
        self.covered = covered
        self.blockStart = blockStart
        archived = ArchivedCheckpoint(objects, keys: settings.keys, logger: logger)
        state = Mutex(State(machine: ArchiveMachine(interval: settings.interval)))
    }

    /// For metrics and health.
    package var status: Status {
        let (head, now) = (view().head?.rawValue, clock.now)
        return state.withLock { state in
            if let head { state.machine.saw(head: head, at: now) }
            var status = state.status
            status.through = state.machine.through
            status.lagEvents = state.machine.lagEvents
            status.lag = state.machine.lag(at: now)
            return status
        }
    }

    /// Archives until the service stops.
    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.work() }
    }

    private func work() async {
        while !Task.isCancelled {
            let pause = await step()
            guard (try? await clock.sleep(for: pause)) != nil else { return }
        }
    }

    /// Does what is to be done now.
    ///
    /// - Returns: how long to wait before the next step.
    package func step() async -> Nanoseconds {
        let view = view()
        guard let head = view.head, !view.isFenced else { return .milliseconds(500) }
        let now = clock.now
        let action = state.withLock { state in
            state.machine.saw(head: head.rawValue, at: now)
            let action = state.machine.action(leads: view.leads, at: now)
            if action == .archive { state.machine.began(at: now) }
            return action
        }
        switch action {
        case .wait(let pause): return min(pause, .milliseconds(1_000))
        case .look: await perform(inRound: false, look)
        case .archive:
            await perform(inRound: true, round)
            await removeSuperseded()
        }
        return .zero
    }

    // MARK: Rounds

    private func perform(
        inRound: Bool, _ body: () async throws(ArchiveFailure) -> UInt64
    ) async {
        do throws(ArchiveFailure) {
            let through = try await body()
            let now = clock.now
            let wasTold = state.withLock { state -> String? in
                if inRound {
                    state.machine.succeeded(through: through, at: now)
                } else {
                    state.machine.looked(through: through, at: now)
                }
                guard state.machine.failures == 0 else { return nil }
                state.status.trouble = nil
                return state.told.take()
            }
            if wasTold != nil { logger.notice("events are archived again") }
        } catch {
            failed(error, inRound: inRound)
        }
    }

    private func failed(_ failure: ArchiveFailure, inRound: Bool) {
        if case .interrupted = failure { return }
        if Task.isCancelled { return }
        let now = clock.now
        let isNew = state.withLock { state in
            state.machine.failed(inRound: inRound, at: now)
            state.status.failures += 1
            state.status.trouble = failure
            state.segment = nil
            // What a member of etcd or a single request does is told where it lasts.
            guard failure.needsSomebody || state.machine.failures > 1 else { return false }
            defer { state.told = failure.code }
            return state.told != failure.code
        }
        guard isNew else {
            logger.debug("nothing was archived", metadata: ["error": "\(failure)"])
            return
        }
        logger.log(
            level: failure.needsSomebody ? .error : .warning,
            "events are not archived; sealing goes on, and nothing leaves etcd",
            metadata: [
                "archive": "\(objects.location)", "code": "\(failure.code)", "error": "\(failure)",
            ])
    }

    /// Reads how far the archive is. Who seals looks at its checkpoint too: one that was paused between its own look and
    /// its writing may have put back a smaller one, which the next round mends.
    private func look() async throws(ArchiveFailure) -> UInt64 {
        let through = try await recorded()?.record.through.rawValue ?? 0
        guard view().leads, through > 0 else { return through }
        return min(through, try await archived.read()?.checkpoint.size ?? 0)
    }

    /// The key `archive`, where it names this archive; nil where there is none.
    private func recorded() async throws(ArchiveFailure) -> LedgerStore.StoredArchive? {
        let stored: LedgerStore.StoredArchive?
        do throws(LedgerStoreError) {
            stored = try await store.archive(timeout: Self.timeout)
        } catch {
            throw .ledger(error)
        }
        guard let stored else { return nil }
        guard stored.record.location == objects.location else {
            throw .otherLocation(recorded: stored.record.location)
        }
        state.withLock { $0.status.trimmed = stored.record.trimmed.rawValue }
        return stored
    }

    /// Archives up to the newest signed checkpoint.
    ///
    /// - Returns: up to where everything is archived now.
    private func round() async throws(ArchiveFailure) -> UInt64 {
        let record = try await recorded()?.record
        let through = record?.through.rawValue ?? 0
        let trimmed = record?.trimmed.rawValue ?? 0
        let there = try await archived.read()
        guard let target = try await target(beside: there) else { return through }
        // What the record says and the archive's own checkpoint does not is not there: it is written again.
        let from = min(through, there?.checkpoint.size ?? 0)
        // A smaller checkpoint may have been put back by who was paused: then what has left etcd is read from the
        // archive itself, as far as it is there. An archive without any is not the one that etcd relies on.
        guard from >= trimmed || there != nil else { throw Self.lost(from, trimmed) }
        guard target.checkpoint.size > from || target.isNews(beside: there) else { return through }
        try await verify(target.checkpoint, after: there?.checkpoint)
        if target.checkpoint.size > from {
            do throws(ArchiveFailure) {
                try await write(ArchivePlan(from: from, to: target.checkpoint.size))
            } catch {
                throw from < trimmed && error.isContradictionOfArchive
                    ? Self.lost(from, trimmed, error) : error
            }
        }
        try await publish(target)
        try await raise(through: target.checkpoint.size)
        supersede(ArchivePlan(from: from, to: target.checkpoint.size))
        let size = target.checkpoint.size
        state.withLock { state in
            state.status.rounds += 1
            state.written = nil
        }
        logger.debug("events are archived", metadata: ["through": "\(size)", "from": "\(from)"])
        return max(size, through)
    }

    private static func lost(
        _ size: UInt64, _ trimmed: UInt64, _ error: ArchiveFailure? = nil
    ) -> ArchiveFailure {
        .notThisLedgers(
            "the archive has lost what etcd has no more: its checkpoint covers \(size) events, "
                + "\(trimmed) have left etcd" + (error.map { " (\($0))" } ?? ""))
    }

    /// The newest checkpoint that is signed: etcd's, or the archive's own where another replica was faster.
    private func target(beside there: ArchivedNote?) async throws(ArchiveFailure) -> ArchivedNote? {
        let stored: LedgerStore.StoredCheckpoint?
        do throws(LedgerStoreError) {
            stored = try await store.checkpoint(timeout: Self.timeout)
        } catch {
            throw .ledger(error)
        }
        guard let stored, let published = try? PublishedCheckpoint(stored),
            published.checkpoint.origin.utf8.elementsEqual(settings.origin.utf8),
            published.isSigned(byOneOf: settings.keys)
        else { return there }
        let newest = ArchivedNote(
            checkpoint: published.checkpoint, note: published.note, bytes: published.bytes)
        guard let there, there.checkpoint.size > newest.checkpoint.size else { return newest }
        return there
    }

    /// Compares a checkpoint, and the one that it follows, with this replica's own tree.
    private func verify(
        _ target: Checkpoint, after there: Checkpoint?
    ) async throws(ArchiveFailure) {
        await covered(SequenceNumber(rawValue: target.size), Self.catchUp)
        guard try await root(target.size) == target.root else {
            throw .contradicted("the newest checkpoint is not of this ledger's tree")
        }
        guard let there, there.size < target.size, there.size > 0 else { return }
        guard try await root(there.size) == there.root else {
            throw .notThisLedgers(
                "the archive's checkpoint of \(there.size) events is of another past than this ledger"
            )
        }
    }

    private func root(_ size: UInt64) async throws(ArchiveFailure) -> Digest {
        if size == 0 { return MerkleTree.emptyRoot }
        do throws(TreeError) {
            return try await tree.root(size: size)
        } catch {
            throw .tree(error)
        }
    }

    // MARK: Checkpoint and record

    private func publish(_ target: ArchivedNote) async throws(ArchiveFailure) {
        guard !view().isFenced, !Task.isCancelled else { throw .interrupted }
        let there = try await archived.read()
        guard target.isNews(beside: there) else { return }
        do throws(ObjectStoreError) {
            try await objects.replace(ArchiveNames.checkpoint, with: target.bytes)
        } catch {
            throw .storage(error)
        }
        for _ in 0..<Self.attempts {
            let now = try await archived.read()
            // Another replica's larger one is as good.
            if now?.bytes == target.bytes { return }
            if let now, now.checkpoint.size > target.checkpoint.size { return }
        }
        throw .notKept(ArchiveNames.checkpoint)
    }

    /// Raises `archive.through`.
    private func raise(through size: UInt64) async throws(ArchiveFailure) {
        for _ in 0..<Self.attempts {
            let stored = try await recorded()
            if let stored, stored.record.through.rawValue >= size { return }
            let raised: ArchiveRecord
            do throws(FormatError) {
                raised = try ArchiveRecord(
                    location: objects.location, through: SequenceNumber(rawValue: size),
                    trimmed: stored?.record.trimmed ?? .zero)
            } catch {
                throw .notThisLedgers("the archive cannot be recorded: \(error.message)")
            }
            // Where nothing is known of it, reading the key tells.
            if case .done = await store.putArchive(
                raised, replacing: stored, timeout: Self.timeout)
            {
                return
            }
        }
        throw .ledger(LedgerStoreError(.unavailable))
    }
}

extension ArchivedNote {
    /// Whether it says more than what is there: of a larger log, or of the same one with more signatures.
    fileprivate func isNews(beside there: ArchivedNote?) -> Bool {
        guard let there else { return true }
        if there.checkpoint.size != checkpoint.size {
            return there.checkpoint.size < checkpoint.size
        }
        return there.note.signatures.count < note.signatures.count
    }
}
