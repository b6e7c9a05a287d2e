import LedgerCore
import LedgerStore
import Testing

/// `trimmed` is raised of the very ledger that was read back, or not at all (formats.md, "Archive").
@Suite("Raising what is trimmed")
struct TrimRaisingTests {
    private let etcd = SimulatedEtcd()
    private let keys = LedgerKeys(prefix: "ledger/")
    private let store: LedgerStore

    init() throws {
        store = LedgerStore(store: etcd, keys: keys)
        etcd.put(keys.format, LedgerFormat.one.value)
        etcd.put(keys.archive, try Self.record(through: 9_000).encodedJSON())
    }

    private static func record(through: UInt64, trimmed: UInt64 = 0) throws -> ArchiveRecord {
        try ArchiveRecord(
            location: SimulatedArchive.location, through: SequenceNumber(through),
            trimmed: SequenceNumber(trimmed))
    }

    /// What happens between the look at the ledger and the raise.
    enum Change: CaseIterable {
        case none
        case archivedMore, archivedMoreAtTheSameRevision, archivePutAgain, archiveRemoved
        case digestPut, formatOfANewerVersion
    }

    private func apply(_ change: Change) throws {
        switch change {
        case .none: break
        case .archivedMore:
            etcd.put(keys.archive, try Self.record(through: 9_100).encodedJSON())
        case .archivedMoreAtTheSameRevision:
            // As after a restore, where revisions are given a second time.
            let bytes = try Self.record(through: 9_100).encodedJSON()
            var contents = etcd.snapshot
            contents.keys[keys.archive]?.value = bytes
            etcd.snapshot = contents
        case .archivePutAgain:
            etcd.put(keys.archive, try Self.record(through: 9_000).encodedJSON())
        case .archiveRemoved: etcd.remove([keys.archive])
        case .digestPut: etcd.put(keys.archivedIds, SegmentsDigest().encodedJSON())
        case .formatOfANewerVersion: etcd.put(keys.format, Array("3".utf8))
        }
    }

    @Test(
        "protocol.md 26: where the record, the segments' digest or the format is another by then, nothing is raised",
        arguments: Change.allCases)
    func compared(_ change: Change) async throws {
        let archive = try #require(try await store.archive())
        let segments = try await store.archivedSegments()
        var digest = segments.digest
        digest.append(.sha256([1]))
        let trim = LedgerStore.Trim(
            record: try Self.record(through: 9_000, trimmed: 4_096), digest: digest,
            replacing: archive, replacedDigest: segments.revision, format: .one)
        try apply(change)
        let before = values
        let result = await store.trim(trim, timeout: .seconds(1))
        guard change == .none else {
            guard case .superseded(let now) = result else {
                Issue.record("\(result)")
                return
            }
            #expect(now?.bytes == before[0])
            #expect(values == before)
            return
        }
        guard case .done(let stored) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(stored.record == trim.record)
        #expect(values == [stored.bytes, digest.encodedJSON(), LedgerFormat.two.value])
    }

    /// The three keys that a raise puts.
    private var values: [[UInt8]?] {
        [keys.archive, keys.archivedIds, keys.format].map { etcd.snapshot.keys[$0]?.value }
    }
}
