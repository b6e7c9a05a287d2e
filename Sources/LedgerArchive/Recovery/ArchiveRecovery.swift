package import LedgerCore
package import LedgerStore
package import ObjectStorage

/// Why a store was not, or not wholly, brought up to the archive. What was restored until then stays, and is right: the
/// same command goes on.
package enum RecoveryError: Error, Sendable, CustomStringConvertible {
    /// The archive is not whole, or cannot be read. Nothing was written.
    case archive(ArchiveFinding)
    /// etcd did not answer, or what it has is no ledger.
    case store(LedgerStoreError)
    /// A replica may seal.
    case sealerAlive(String)
    /// The store has other events than the archive.
    case anotherPast(SequenceNumber)
    /// The store has the archive's events in other blocks, or other ids of them.
    case otherBlocks
    /// The store has more than the archive: there is nothing to recover.
    case storeIsAhead(store: SequenceNumber, archive: UInt64)
    /// The record in etcd names another archive.
    case otherArchive(String)
    /// Somebody has written meanwhile.
    case changed
    /// What the archive says now is not what was verified.
    case archiveChanged(String)

    package var description: String {
        switch self {
        case .archive(let finding): "the archive: \(finding)"
        case .store(let error): "\(error)"
        case .sealerAlive(let address):
            "a replica may seal (\(address) holds the hint): stop all replicas first, and wait until its "
                + "lease has ended"
        case .anotherPast(let number):
            "etcd's ledger, which ends with number \(number), is not the beginning of the archive's: it is "
                + "another ledger, or one of the two was changed. Recover into an empty etcd to have the "
                + "archive's past"
        case .otherBlocks:
            "etcd's ledger has the archive's events in other blocks, or under other ids, than the archive's ids segments "
                + "say. Recover into an empty etcd, or restore another snapshot; nothing was written"
        case .storeIsAhead(let store, let archive):
            "etcd has \(store) events and the archive \(archive): there is nothing to recover"
        case .otherArchive(let location):
            "the ledger's archive is \(location): name that one"
        case .changed:
            "somebody else has written to the ledger meanwhile: stop all replicas and run it again"
        case .archiveChanged(let what):
            "\(what) has changed since it was verified: run it again"
        }
    }
}

/// Brings a restored or empty store up to the archive's size by writing the past as it was (protocol.md 27).
///
/// First everything in the archive is verified, then what the store has is compared with it, and only then the first key
/// is written. It may be stopped and begun again at any moment.
package struct ArchiveRecovery: Sendable {
    /// What is to be done, or was.
    package struct Plan: Sendable {
        /// Where the store's ledger ends, or ended.
        package let before: SequenceNumber
        /// Where it is to end.
        package let size: UInt64
        /// Events up to this number stay in the archive alone.
        package let trimmed: SequenceNumber
        /// When the archive's last event was sealed, in epoch milliseconds.
        package let lastTimestamp: Int64
        package let root: Digest
    }

    /// How far it is.
    package enum Progress: Sendable {
        case verified(through: UInt64, of: UInt64)
        case restored(through: UInt64, of: UInt64)
        /// A replica holds the hint, or did until a moment ago.
        case waiting(for: String)
    }

    private let objects: any ObjectStore
    private let keys: [NoteVerifier]
    private let store: LedgerStore
    private let retain: UInt64?

    /// - Parameters:
    ///   - store: reads what has left etcd from the archive.
    ///   - retain: so many of the newest events are put into an empty store; nil: all.
    package init(
        _ objects: any ObjectStore, keys: [NoteVerifier], store: LedgerStore, retain: UInt64?
    ) {
        self.objects = objects
        self.keys = keys
        self.store = store
        self.retain = retain
    }

    /// Does it.
    ///
    /// - Parameter confirm: asked once everything is verified and before anything is written; false: nothing is.
    /// - Returns: what was done; nil where it was not confirmed.
    package func run(
        confirm: (Plan) throws -> Bool, progress: (Progress) -> Void
    ) async throws -> Plan? {
        let base = try await store.observeWithoutSealer { progress(.waiting(for: $0)) }
        let from = base.head.sequence
        let (archive, trees) = try await verified(from, progress)
        guard from.rawValue <= archive.size else {
            throw RecoveryError.storeIsAhead(store: from, archive: archive.size)
        }
        guard trees[from.rawValue] == base.head.tree else {
            throw RecoveryError.anotherPast(from)
        }
        let record = try await record()
        let trimmed = record?.trimmed ?? beginning(archive.size, isEmpty: from == .zero)
        let plan = Plan(
            before: from, size: archive.size, trimmed: trimmed,
            lastTimestamp: archive.lastTimestamp, root: archive.note.checkpoint.root)
        guard try confirm(plan) else { return nil }
        var work = RecoveryWork(
            store: store, scan: ArchiveScan(objects: objects, size: archive.size),
            archive: archive, location: objects.location, observation: base)
        if from.rawValue < archive.size {
            try await work.restore(trimmed: trimmed) {
                progress(.restored(through: $0, of: archive.size))
            }
        }
        try await work.finish()
        return plan
    }

    // MARK: Before anything is written

    private func verified(
        _ from: SequenceNumber, _ progress: (Progress) -> Void
    ) async throws(RecoveryError) -> (VerifiedArchive, [UInt64: MerkleFrontier]) {
        let verification = ArchiveVerification(objects, keys: keys)
        do throws(ArchiveFinding) {
            let size = try await verification.checkpoint().checkpoint.size
            return try await verification.verify(trees: [from.rawValue]) {
                progress(.verified(through: $0, of: size))
            }
        } catch {
            throw .archive(error)
        }
    }

    private func record() async throws(RecoveryError) -> ArchiveRecord? {
        let record: ArchiveRecord?
        do throws(LedgerStoreError) {
            record = try await store.archive()?.record
        } catch {
            throw .store(error)
        }
        guard let record, record.location != objects.location else { return record }
        throw .otherArchive(record.location)
    }

    /// Up to where events stay in the archive alone.
    private func beginning(_ size: UInt64, isEmpty: Bool) -> SequenceNumber {
        guard isEmpty, let retain, size > retain else { return .zero }
        return SequenceNumber(
            rawValue: (size - retain) / ArchiveRecord.trimStep * ArchiveRecord.trimStep)
    }
}
