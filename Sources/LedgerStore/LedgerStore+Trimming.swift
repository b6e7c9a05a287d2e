import EtcdGateway
package import LedgerCore

/// Deleting what the archive holds (formats.md, "Archive"; protocol.md 26). What may be deleted, whoever calls this has
/// decided: `TrimMachine`.
extension LedgerStore {
    /// A raise of `trimmed`: what the archive was read back for.
    package struct Trim: Hashable, Sendable {
        /// The record with the raised `trimmed`.
        package let record: ArchiveRecord
        /// Over every segment up to the raised `trimmed`.
        package let digest: SegmentsDigest
        package let replacing: StoredArchive
        /// At which the digest was put that this one continues; `absent` where there was none.
        package let replacedDigest: Revision
        /// The format that the ledger has.
        package let format: LedgerFormat

        package init(
            record: ArchiveRecord, digest: SegmentsDigest, replacing: StoredArchive,
            replacedDigest: Revision, format: LedgerFormat
        ) {
            precondition(
                record.location == replacing.record.location
                    && record.through == replacing.record.through
                    && record.trimmed > replacing.record.trimmed
                    && digest.count == record.trimmed.rawValue / ArchiveRecord.trimStep,
                "a trim raises `trimmed`, and nothing else")
            self.record = record
            self.digest = digest
            self.replacing = replacing
            self.replacedDigest = replacedDigest
            self.format = format
        }
    }

    /// Allows events to leave etcd. From then on the ledger has format 2.
    package func trim(_ trim: Trim, timeout: Duration) async -> ArchiveWriting<StoredArchive> {
        let result = await write(transactions.trimming(trim), timeout: timeout) { response in
            StoredArchive(
                record: trim.record, bytes: trim.record.encodedJSON(),
                revision: Revision(rawValue: response.header.revision))
        }
        if case .done(let stored) = result { past.note(stored.record) }
        return result
    }

    /// The lowest keys of a range that etcd holds, at most so many of them.
    package func lowestKeys(
        in range: LedgerKeys.Range, limit: Int
    ) async throws(LedgerStoreError) -> [[UInt8]] {
        let request = EtcdRangeRequest(
            key: range.key, rangeEnd: range.rangeEnd, limit: Int64(limit), keysOnly: true)
        return try await self.range(request).kvs.map(\.key)
    }

    /// Deletes the keys of a range, if the key `archive` still holds what allows it.
    ///
    /// - Returns: how many there were.
    package func delete(
        _ range: LedgerKeys.Range, allowedBy archive: StoredArchive, timeout: Duration
    ) async -> ArchiveWriting<Int64> {
        await write(
            EtcdTransaction(
                compares: transactions.holds(archive),
                success: [.delete(key: range.key, rangeEnd: range.rangeEnd)],
                failure: [.range(EtcdRangeRequest(key: keys.archive))]), timeout: timeout
        ) { response in
            guard case .delete(let count) = response.responses.first else { return nil }
            return count
        }
    }
}

extension LedgerTransactions {
    /// Raises `trimmed`, records what the segments were, and gives the ledger format 2, all at once.
    func trimming(_ trim: LedgerStore.Trim) -> EtcdTransaction {
        var puts: [EtcdOperation] = [
            .put(key: keys.archive, value: trim.record.encodedJSON()),
            .put(key: keys.archivedIds, value: trim.digest.encodedJSON()),
        ]
        if trim.format < .two {
            puts.append(.put(key: keys.format, value: LedgerFormat.two.value))
        }
        return EtcdTransaction(
            compares: holds(trim.replacing) + [
                .modRevision(key: keys.archivedIds, equals: trim.replacedDigest.rawValue),
                .value(key: keys.format, equals: trim.format.value),
            ],
            success: puts, failure: [.range(EtcdRangeRequest(key: keys.archive))])
    }
}
