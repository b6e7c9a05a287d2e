import EtcdGateway
package import LedgerCore

/// The key `archive`: how far the ledger is archived, and what may have left etcd (formats.md, "Archive").
extension LedgerStore {
    /// What the key says, and since which revision.
    package struct StoredArchive: Hashable, Sendable {
        package let record: ArchiveRecord
        /// The stored bytes, which whoever replaces or relies on them compares.
        package let bytes: [UInt8]
        package let revision: Revision

        package init(record: ArchiveRecord, bytes: [UInt8], revision: Revision) {
            self.record = record
            self.bytes = bytes
            self.revision = revision
        }
    }

    /// Reads the key linearizably, or as the one member has it whose copy this is; nil where there is none.
    ///
    /// - Throws: `inconsistent` where the key holds what this version does not understand.
    package func archive(
        timeout: Duration? = nil
    ) async throws(LedgerStoreError) -> StoredArchive? {
        let response = try await perform(
            EtcdTransaction(success: [
                .range(EtcdRangeRequest(key: keys.archive, serializable: source != nil))
            ]), timeout: timeout)
        return try noted(archiveIn: response.range(0))
    }

    /// Decodes the key's range, and notes what may have left etcd.
    func noted(
        archiveIn range: EtcdRangeResponse?
    ) throws(LedgerStoreError) -> StoredArchive? {
        guard let range else {
            throw .inconsistent(.malformed("an answer without the archive's record"))
        }
        guard let found = range.kvs.first else { return nil }
        do throws(FormatError) {
            let record = try ArchiveRecord(decodingJSON: found.value)
            past.note(record)
            return StoredArchive(
                record: record, bytes: found.value, revision: Revision(rawValue: found.modRevision))
        } catch {
            throw .inconsistent(.malformed(error.message))
        }
    }

    /// The key `archived_ids`: what the segments were that may have left etcd, and the revision at which it was put.
    ///
    /// - Returns: of no segments, at revision `absent`, where there is none.
    package func archivedSegments(
        timeout: Duration? = nil
    ) async throws(LedgerStoreError) -> (digest: SegmentsDigest, revision: Revision) {
        let response = try await perform(
            EtcdTransaction(success: [
                .range(EtcdRangeRequest(key: keys.archivedIds, serializable: source != nil))
            ]), timeout: timeout)
        guard let range = response.range(0) else {
            throw .inconsistent(.malformed("an answer without the digest of ids segments"))
        }
        guard let found = range.kvs.first else { return (SegmentsDigest(), .absent) }
        do throws(FormatError) {
            return (
                try SegmentsDigest(decodingJSON: found.value), Revision(rawValue: found.modRevision)
            )
        } catch {
            throw .inconsistent(.malformed(error.message))
        }
    }

    // MARK: Writing

    /// How a write under the key `archive` ended.
    package enum ArchiveWriting<Value: Sendable & Hashable>: Hashable, Sendable {
        /// It was done.
        case done(Value)
        /// It was not: the key holds this instead of what was compared; nil where it is absent.
        case superseded(StoredArchive?)
        /// Nothing is known: it may have been done, now or a little later. Reading the key tells.
        case unknown
        /// It was certainly not done.
        case refused
    }

    /// Puts the key, if it still holds what was read; nil where there was none. `through` only grows, and `trimmed` is
    /// raised by `trim` alone.
    package func putArchive(
        _ record: ArchiveRecord, replacing old: StoredArchive?, timeout: Duration
    ) async -> ArchiveWriting<StoredArchive> {
        precondition(
            old.map {
                $0.record.location == record.location && $0.record.trimmed == record.trimmed
                    && $0.record.through <= record.through
            } ?? (record.trimmed == .zero), "an archive's record only grows")
        let bytes = record.encodedJSON()
        let transaction = EtcdTransaction(
            compares: transactions.holds(old),
            success: [.put(key: keys.archive, value: bytes)],
            failure: [.range(EtcdRangeRequest(key: keys.archive))])
        return await write(transaction, timeout: timeout) { response in
            StoredArchive(
                record: record, bytes: bytes, revision: Revision(rawValue: response.header.revision)
            )
        }
    }

    func write<Value: Hashable & Sendable>(
        _ transaction: EtcdTransaction, timeout: Duration,
        _ value: (EtcdTransactionResponse) -> Value?
    ) async -> ArchiveWriting<Value> {
        do throws(EtcdError) {
            let response = try await store.transaction(transaction, options: attentive(timeout))
            if response.succeeded { return value(response).map { .done($0) } ?? .unknown }
            do throws(LedgerStoreError) {
                return .superseded(try noted(archiveIn: response.range(0)))
            } catch {
                return .unknown
            }
        } catch {
            switch error.failureClass {
            case .notSent, .rejected: return .refused
            case .unknown, .corrupt: return .unknown
            }
        }
    }
}

extension LedgerTransactions {
    /// That the key `archive` is the very one that was read: the revision alone would match again after a restore.
    func holds(_ archive: LedgerStore.StoredArchive?) -> [EtcdCompare] {
        guard let archive else { return [.createRevision(key: keys.archive, equals: 0)] }
        return [
            .modRevision(key: keys.archive, equals: archive.revision.rawValue),
            .value(key: keys.archive, equals: archive.bytes),
        ]
    }
}
