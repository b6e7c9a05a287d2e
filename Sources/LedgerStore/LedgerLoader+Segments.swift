package import LedgerCore

/// Reading the segments of ids: from etcd, and from the archive what has left it.
///
/// An ids segment is no part of the tree. So the transaction that lets one leave etcd records a digest of all that have
/// left it, `archived_ids`; the index keeps the same digest of all that were appended to it, and nothing goes on before
/// the two agree.
extension LedgerLoader {
    /// Segments of the archive that are decoded together: a quarter of a megabyte.
    static var batchSegments: UInt64 { 8 }
    /// Batches that are being read, a segment each at a time, or wait for those before them: 32 MiB at most, decoded
    /// ones included. So many, because each segment of a bucket is tens of milliseconds away.
    static var batchesAtOnce: UInt64 { 32 }

    /// Appends what an index lacks of all full segments of a ledger.
    ///
    /// - Parameter progress: called with the number of events that the index covers so far.
    /// - Returns: the last number that may have left etcd, where none of what was read can have left it since.
    package func loadSegments(
        into index: inout IdIndex, size: UInt64, progress: @Sendable (UInt64) -> Void
    ) async throws(LedgerStoreError) -> SequenceNumber {
        let end = size / UInt64(IdSegment.width)
        guard size <= IdIndex.maxCount else {
            throw .inconsistent(.malformed(IdIndex.isFull.message))
        }
        let recorded = try await recordedSegments()
        if recorded.count > index.fullSegments.count {
            guard recorded.count <= end else { throw Self.movedOn }
            try await loadArchived(
                into: &index, end: recorded.count, from: archive(), progress: progress)
            guard index.fullSegments == recorded else {
                throw .archive(.contradicts("ids segments 0 to \(recorded.count - 1), together,"))
            }
        }
        let base = index.fullSegments
        let digests = try await loadStored(into: &index, end: end, progress: progress)
        // What has left etcd meanwhile may have come from the archive.
        let now = try await recordedSegments()
        if now.count > base.count {
            guard now.count <= end else { throw Self.movedOn }
            var reached = base
            for digest in digests.prefix(Int(now.count - base.count)) { reached.append(digest) }
            guard reached == now else {
                throw .archive(.contradicts("ids segments 0 to \(now.count - 1), together,"))
            }
        }
        return SequenceNumber(now.count * UInt64(IdSegment.width))
    }

    /// What etcd has recorded of the segments that may have left it: of none, and without asking, where nothing that was
    /// read shows that any has. Counter and head are read together with the record, and what comes from the archive is
    /// preceded by it.
    ///
    /// - Throws: `inconsistent` where more may have left it: what one transaction puts is not both there.
    private func recordedSegments() async throws(LedgerStoreError) -> SegmentsDigest {
        let trimmed = store.past.trimmed
        if trimmed == .zero { return SegmentsDigest() }
        let recorded = try await store.archivedSegments().digest
        if recorded.count >= trimmed.rawValue / UInt64(IdSegment.width) { return recorded }
        // One member's copy can be behind what others have shown.
        guard store.source == nil else { throw LedgerStoreError(.unavailable) }
        throw .inconsistent(
            .malformed(
                "events up to \(trimmed) may be missing, but the digest covers only "
                    + "\(recorded.count) ids segments"))
    }

    /// More has left etcd than the head that is loaded: a newer one has to be read.
    private static var movedOn: LedgerStoreError {
        .archive(.unavailable("more events were archived while the ledger was being loaded"))
    }

    private func archive() throws(LedgerStoreError) -> any ArchivedPast {
        if let archived = store.archived { return archived }
        throw .archive(.notConfigured(location: store.past.location))
    }

    // MARK: From etcd

    /// - Returns: the digests of the segments that the index had not in full.
    private func loadStored(
        into index: inout IdIndex, end: UInt64, progress: @Sendable (UInt64) -> Void
    ) async throws(LedgerStoreError) -> [Digest] {
        var digests: [Digest] = []
        var next = index.fullSegments.count
        var sizer = PageSizer(unitBytes: IdSegment.byteCount)
        while next < end {
            let first = next
            let page = try await sizer.page(mostKeys: Int(end - first), bytes: \.bytes.count) {
                limit async throws(LedgerStoreError) in
                try await store.asStored.segments(from: first, end: end, limit: limit)
            }
            guard !page.isEmpty else { throw missingSegment(next) }
            for stored in page {
                guard stored.key == store.keys.ids(next) else { throw missingSegment(next) }
                next += 1
            }
            do throws(FormatError) {
                digests += try Self.append(page.map(\.bytes), first: first, to: &index)
            } catch {
                guard try await recordedSegments().count <= first else {
                    throw .archive(.contradicts("ids segments from \(first) on"))
                }
                throw .inconsistent(.malformed(error.message))
            }
            progress(index.count)
        }
        return digests
    }

    private func missingSegment(_ number: UInt64) -> LedgerStoreError {
        .inconsistent(.malformed("ids segment \(number) is missing"))
    }

    /// Appends segments to an index that may end inside the first of them.
    ///
    /// - Returns: the segments' digests.
    private static func append(
        _ segments: [[UInt8]], first: UInt64, to index: inout IdIndex
    ) throws(FormatError) -> [Digest] {
        var digests: [Digest] = []
        var rest = segments[...]
        if index.openSegment.count > 0, let bytes = rest.popFirst() {
            let segment = try IdSegment(number: first, decoding: bytes)
            for position in index.openSegment.count..<IdSegment.width {
                index.append(
                    segment.fingerprint(at: position),
                    startsBlock: segment.startsBlock(at: position))
            }
            digests.append(SegmentsDigest.ofSegment(bytes))
        }
        guard !rest.isEmpty else { return digests }
        let batch = try IdIndexBatch(
            first: index.fullSegments.count, segments: Array(rest), hashing: index.hashing)
        try index.append(batch)
        return digests + batch.digests
    }

    // MARK: From the archive

    /// Appends archived segments in order, while the following ones are read, hashed and decoded.
    private func loadArchived(
        into index: inout IdIndex, end: UInt64, from archive: any ArchivedPast,
        progress: @Sendable (UInt64) -> Void
    ) async throws(LedgerStoreError) {
        var next = index.fullSegments.count
        if index.openSegment.count > 0, next < end {
            let bytes = try await archive.segment(next, .asStored)
            do throws(FormatError) {
                _ = try Self.append([bytes], first: next, to: &index)
            } catch {
                throw .archive(.contradicts("ids segment \(next)"))
            }
            next += 1
        }
        let hashing = index.hashing
        var failure: LedgerStoreError?
        await withTaskGroup(of: BatchRead.self) { group in
            var asked = next
            var waiting: [UInt64: BatchRead] = [:]
            while next < end {
                while asked < end, asked - next < Self.batchSegments * Self.batchesAtOnce {
                    let numbers = asked..<min(end, asked + Self.batchSegments)
                    group.addTask { await Self.read(numbers, of: archive, hashing) }
                    asked = numbers.upperBound
                }
                guard let read = waiting.removeValue(forKey: next) else {
                    guard let read = await group.next() else { return }
                    waiting[read.first] = read
                    continue
                }
                do throws(LedgerStoreError) {
                    next += try Self.append(read, to: &index)
                } catch {
                    failure = error
                    group.cancelAll()
                    return
                }
                progress(index.count)
            }
        }
        if let failure { throw failure }
    }

    /// What reading a batch has come to.
    private struct BatchRead: Sendable {
        let first: UInt64
        let result: Result<IdIndexBatch, LedgerStoreError>
    }

    private static func read(
        _ numbers: Range<UInt64>, of archive: any ArchivedPast, _ hashing: IdIndexHashing
    ) async -> BatchRead {
        var segments: [[UInt8]] = []
        segments.reserveCapacity(numbers.count)
        do throws(LedgerStoreError) {
            for number in numbers {
                guard !Task.isCancelled else {
                    throw .archive(.unavailable("the reading was cancelled"))
                }
                let bytes = try await archive.segment(number, .asStored)
                guard bytes.count == IdSegment.byteCount else {
                    throw .archive(.contradicts("ids segment \(number)"))
                }
                segments.append(bytes)
            }
            do throws(FormatError) {
                let batch = try IdIndexBatch(
                    first: numbers.lowerBound, segments: segments, hashing: hashing)
                return BatchRead(first: numbers.lowerBound, result: .success(batch))
            } catch {
                throw .inconsistent(.malformed(error.message))
            }
        } catch {
            return BatchRead(first: numbers.lowerBound, result: .failure(error))
        }
    }

    /// - Returns: how many segments there were.
    private static func append(
        _ read: BatchRead, to index: inout IdIndex
    ) throws(LedgerStoreError) -> UInt64 {
        let batch = try read.result.get()
        do throws(FormatError) {
            try index.append(batch)
        } catch {
            throw .inconsistent(.malformed(error.message))
        }
        return UInt64(batch.digests.count)
    }
}
