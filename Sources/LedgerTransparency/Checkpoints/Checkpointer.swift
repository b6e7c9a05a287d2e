package import LedgerCore
package import LedgerReplica
package import LedgerStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Signs what is sealed, and keeps the newest signed checkpoint in the store (formats.md, "Checkpoint").
///
/// Every replica looks at the stored checkpoint while events are sealed; `CheckpointPace` says when, and whose turn it is.
/// A checkpoint is put by compare-and-swap, only growing, and only after the head's tree is proved to continue the stored
/// one and the newest one that this replica has seen (protocol.md 25). Sealing never waits for any of it.
package final class Checkpointer: Service {
    /// Asks those who cosign for their signatures; what they do not give in time is left out.
    package typealias Cosigning =
        @Sendable (SignedNote, _ checkpoint: Checkpoint) async -> [SignedNote.Signature]

    package struct Settings: Sendable {
        /// `LEDGER_ORIGIN`.
        package var origin: String
        /// Each signs every checkpoint; with none of them the replica only watches.
        package var signers: [NoteSigner]
        /// Older keys, whose checkpoints are this ledger's too.
        package var formerKeys: [NoteVerifier]

        package init(origin: String, signers: [NoteSigner], formerKeys: [NoteVerifier] = []) {
            self.origin = origin
            self.signers = signers
            self.formerKeys = formerKeys
        }

        /// All keys by which a checkpoint is known to be this ledger's.
        package var keys: [NoteVerifier] { signers.map(\.verifier) + formerKeys }

        /// Whether a signature stands in the name of one of the keys that sign here.
        func isOwn(_ signature: SignedNote.Signature) -> Bool {
            signers.contains {
                $0.verifier.keyID == signature.keyID && $0.verifier.name == signature.name
            }
        }
    }

    /// What has become of it so far.
    package struct Status: Sendable {
        /// The newest checkpoint that was signed or seen here, and agrees with the ledger; nil: none yet.
        package var newest: Checkpoint?
        /// How many this replica has put.
        package var published: Int64 = 0
        /// How often one could not be put.
        package var failed: Int64 = 0
        /// Why none can be put until somebody has looked into it; nil where nothing is wrong.
        package var blocked: String?
    }

    /// How long one request of the store may take.
    private static let timeout = Duration.milliseconds(1_000)
    /// So often in a row another replica's checkpoint may come first.
    private static let attempts = 3

    private let settings: Settings
    private let replica: Replica
    private let store: LedgerStore
    private let tree: any LedgerTree
    private let clock: any ReplicaClock
    private let logger: Logger
    private let cosigning: Cosigning?
    private let decision: @Sendable () -> FenceRecord?
    private let state = Mutex(Status())

    /// - Parameter decision: what an operator has decided about an earlier fence.
    package init(
        settings: Settings, replica: Replica, store: LedgerStore, tree: any LedgerTree,
        clock: any ReplicaClock, logger: Logger, cosigning: Cosigning? = nil,
        decision: @escaping @Sendable () -> FenceRecord? = { nil }
    ) {
        self.settings = settings
        self.replica = replica
        self.store = store
        self.tree = tree
        self.clock = clock
        self.logger = logger
        self.cosigning = cosigning
        self.decision = decision
    }

    package var status: Status { state.withLock { $0 } }

    /// Whether a checkpoint can be signed here.
    package var canSign: Bool { !settings.signers.isEmpty }

    /// What this replica has signed or seen since it started, for the comparison with the store.
    package var record: OutsideRecord? {
        status.newest.map {
            OutsideRecord(source: "this replica", size: $0.size, root: $0.root)
        }
    }

    /// Looks, signs and puts until the service stops.
    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.work() }
    }

    private func work() async {
        var pace = CheckpointPace()
        while !Task.isCancelled {
            let covered = status.newest?.size ?? 0
            await replica.waitUntilCovered(SequenceNumber(rawValue: covered + 1))
            let now = clock.now
            guard (try? await clock.sleep(for: pace.delay(leads: replica.leads, at: now))) != nil
            else { return }
            pace.began(at: clock.now)
            await round(&pace)
        }
    }

    /// One look at the stored checkpoint, and a newer one where it is this replica's turn.
    private func round(_ pace: inout CheckpointPace) async {
        guard replica.fence == nil else { return }
        do {
            var stored = try await store.checkpoint(timeout: Self.timeout)
            for _ in 0..<Self.attempts {
                // Read after the stored checkpoint, and never behind what this replica has sealed.
                let head = try await head(atLeast: stored)
                guard head.sequence > .zero else { return }
                let seen = try await examine(stored, head: head)
                guard case .replaceable(let revision, let before) = seen, canSign else { return }
                // One of the head's own size is there, but not signed by all.
                let unsigned = before.flatMap {
                    $0.checkpoint.size == head.tree.size ? $0.note : nil
                }
                let covered =
                    unsigned == nil ? before?.checkpoint.size ?? 0 : head.tree.size - 1
                guard
                    pace.shouldPut(
                        covered: covered, head: head.tree.size, leads: replica.leads,
                        at: clock.now),
                    let next = try await put(head, replacing: revision, completing: unsigned)
                else { return }
                stored = next.latest
            }
        } catch is CancellationError {
            return
        } catch {
            state.withLock { $0.failed += 1 }
            logger.debug("no checkpoint was put", metadata: ["error": "\(error)"])
        }
    }

    /// The head that this replica covers; where a checkpoint speaks of more, the one that the store has now.
    private func head(atLeast stored: LedgerStore.StoredCheckpoint?) async throws -> Head {
        let known = replica.knownObservation?.head ?? .empty
        guard let stored, let size = (try? PublishedCheckpoint(stored))?.checkpoint.size,
            size > known.tree.size
        else { return known }
        let now = try await replica.heads.observe().head
        await replica.waitUntilCovered(now.sequence, within: .milliseconds(2_000))
        let covered = replica.knownObservation?.head ?? .empty
        guard covered.sequence >= now.sequence else { throw LedgerStoreError(.unavailable) }
        return covered
    }

    /// What the stored checkpoint means, with everything that it says proved or refuted.
    private func examine(
        _ stored: LedgerStore.StoredCheckpoint?, head: Head
    ) async throws -> CheckpointJudgement {
        var judgement = CheckpointJudgement(
            stored, head: head, origin: settings.origin, keys: settings.keys,
            signers: settings.signers.map(\.verifier), decision: decision())
        if case .replaceable(_, .some(let before)) = judgement,
            try await !continues(before.checkpoint, head)
        {
            judgement =
                before.isSigned(byOneOf: settings.keys)
                ? .contradiction(before.record)
                : .foreign("no known key has signed it, and it is not of this ledger's tree")
        }
        switch judgement {
        case .contradiction(let record):
            replica.contradicted(by: .contradicted(by: record, found: head.sequence))
        case .foreign(let why): block(why)
        case .upToDate, .replaceable(_, after: nil): unblock()
        case .replaceable(_, .some(let before)):
            unblock()
            if before.isSigned(byOneOf: settings.keys) { remember(before.checkpoint) }
        }
        if case .upToDate = judgement {
            remember(
                Checkpoint(
                    origin: settings.origin, size: head.tree.size, root: head.tree.root))
        }
        return judgement
    }

    /// Whether the head's tree is proved to begin with a checkpoint's.
    private func continues(_ checkpoint: Checkpoint, _ head: Head) async throws -> Bool {
        let (size, root) = (head.tree.size, head.tree.root)
        if checkpoint.size == 0 { return checkpoint.root == MerkleTree.emptyRoot }
        if checkpoint.size == size { return checkpoint.root == root }
        let path = try await tree.consistencyPath(from: checkpoint.size, to: size)
        return MerkleTree.verifyConsistency(
            first: checkpoint.size, second: size, firstRoot: checkpoint.root, secondRoot: root,
            path: path)
    }

    /// Keeps the newest checkpoint that agrees with the ledger.
    private func remember(_ checkpoint: Checkpoint) {
        state.withLock { status in
            if checkpoint.size >= status.newest?.size ?? 0 { status.newest = checkpoint }
        }
    }

    // MARK: Putting

    /// What the key holds after another one came first.
    private struct Superseded {
        let latest: LedgerStore.StoredCheckpoint?
    }

    /// Signs the head's checkpoint and puts it.
    ///
    /// - Parameter unsigned: the stored note of the same checkpoint, whose signatures are kept.
    /// - Returns: what the key holds where another one came first; nil where this round is over.
    private func put(
        _ head: Head, replacing revision: Revision, completing unsigned: SignedNote?
    ) async throws -> Superseded? {
        // The stored one may have been taken away or set back: what was seen before must be continued too.
        if let newest = status.newest {
            guard newest.size <= head.tree.size, try await continues(newest, head) else {
                let record = OutsideRecord(
                    source: "this replica", size: newest.size, root: newest.root)
                replica.contradicted(by: .contradicted(by: record, found: head.sequence))
                return nil
            }
        }
        let checkpoint = Checkpoint(
            origin: settings.origin, size: head.tree.size, root: head.tree.root)
        let note = try sign(checkpoint, beside: unsigned?.signatures ?? [])
        // From now on the signature may be seen: nothing that contradicts it may be signed, whatever becomes of it.
        remember(checkpoint)
        switch await store.putCheckpoint(
            note.encoded(), replacing: revision, timeout: Self.timeout)
        {
        case .put(let revision):
            state.withLock { $0.published += 1 }
            await cosign(note, checkpoint, at: revision)
            return nil
        case .superseded(let latest): return Superseded(latest: latest)
        case .unknown, .refused:
            state.withLock { $0.failed += 1 }
            return nil
        }
    }

    private func sign(
        _ checkpoint: Checkpoint, beside others: [SignedNote.Signature]
    ) throws(FormatError) -> SignedNote {
        var signatures = others.filter { !settings.isOwn($0) }
        for signer in settings.signers {
            signatures += try signer.note(size: checkpoint.size, root: checkpoint.root).signatures
        }
        return SignedNote(text: checkpoint.text, signatures: signatures)
    }

    /// Attaches what witnesses sign; where a newer checkpoint has come meanwhile, that one gets its own.
    private func cosign(
        _ note: SignedNote, _ checkpoint: Checkpoint, at revision: Revision
    ) async {
        guard let cosigning else { return }
        let cosignatures = await cosigning(note, checkpoint)
        guard !cosignatures.isEmpty else { return }
        let cosigned = SignedNote(text: note.text, signatures: note.signatures + cosignatures)
        _ = await store.putCheckpoint(
            cosigned.encoded(), replacing: revision, timeout: Self.timeout)
    }

    // MARK: Being blocked

    private func block(_ why: String) {
        let isNew = state.withLock { status in
            status.failed += 1
            defer { status.blocked = why }
            return status.blocked != why
        }
        guard isNew else { return }
        logger.error(
            "the stored checkpoint was not written by this ledger; none is put until the key is deleted",
            metadata: ["reason": "\(why)", "key": "checkpoint"])
    }

    private func unblock() {
        state.withLock { $0.blocked = nil }
    }
}
