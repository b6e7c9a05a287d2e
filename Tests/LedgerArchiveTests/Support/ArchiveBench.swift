import EtcdGateway
import Foundation
import LedgerAPI
import LedgerArchive
import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import LedgerVerify
import Logging
import ObjectStorage
import Synchronization
import TestSupport

@testable import ledgerctl

/// Archivers in the test's own process, of a ledger that a service has sealed into a real etcd: what a replica would
/// know is computed from the stored blocks, and the test says when time passes.
final class ArchiveBench: Sendable {
    private struct State {
        var edge = TileStack()
        var starts: [UInt64] = []
        var entries: [[UInt8]] = []
        var isFenced = false
    }

    let stored: StoredLedger
    let store: LedgerStore
    let clock = ManualClock()
    let signer: NoteSigner
    let folder: URL
    let objects: FolderStore
    private let state = Mutex(State())
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private init(_ stored: StoredLedger) throws {
        self.stored = stored
        store = LedgerStore(store: stored.client, keys: stored.keys)
        signer = try NoteSigner(
            name: "localhost/immutable-ledger", privateKey: Array(repeating: 9, count: 32))
        folder = FileManager.default.temporaryDirectory.appending(
            path: "archive-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        objects = FolderStore(path: folder.path)
    }

    /// Runs a test with a ledger of so many events.
    static func with(
        events count: Int, _ body: (ArchiveBench, LedgerFixture) async throws -> Void
    ) async throws {
        let cluster = try await EtcdCluster.sharedForLedgers()
        let settings = [
            "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
        ]
        try await withLedger(on: cluster, settings: settings) { ledger in
            try await withKeys(of: ledger) { stored in
                let bench = try ArchiveBench(stored)
                defer { try? FileManager.default.removeItem(at: bench.folder) }
                try await bench.seal(count, with: ledger)
                try await body(bench, ledger)
            }
        }
    }

    /// Seals so many further events, in blocks of any size.
    func seal(_ count: Int, with ledger: LedgerFixture) async throws {
        let prefix = "a\(entries.count)"
        let answers = try await ledger.calls.submitStream(
            Ledger_CertifiedEvent.samples(prefix, count: count))
        guard answers.allSatisfy(\.isSealed) else { throw TestFailure("not all are sealed") }
        var next = State()
        for block in try await stored.blocks() {
            let links = try Block.decodeChain(
                block.bytes, first: SequenceNumber(block.number))
            next.starts.append(block.number)
            for link in links {
                _ = next.edge.append(link.leafHash)
                next.entries.append(Array(link.entry.bytes))
            }
        }
        let known = next
        state.withLock { $0 = known }
    }

    var entries: [[UInt8]] { state.withLock { $0.entries } }
    var edge: TileStack { state.withLock { $0.edge } }
    var isFenced: Bool {
        get { state.withLock { $0.isFenced } }
        set { state.withLock { $0.isFenced = newValue } }
    }

    var tree: TreeReader { tree(of: store) }

    func tree(of store: LedgerStore) -> TreeReader {
        TreeReader(store: store, tree: { self.edge })
    }

    /// A store that reads what has left etcd through an archive.
    func store(archived reader: ArchiveReader) -> LedgerStore {
        var store = store
        store.archived = reader
        return store
    }

    /// The digest of a full ids segment.
    func digest(ofSegment number: UInt64) -> Digest? {
        guard entries.count >= (number + 1) * 4_096 else { return nil }
        return (try? ids(Int(number))).map { SegmentsDigest.ofSegment($0) }
    }

    /// Signs and puts the checkpoint of a size, as the service would.
    func publish(_ size: Int) async throws {
        try await stored.put(stored.keys.checkpoint, try note(size).encoded())
    }

    func note(_ size: Int) throws -> SignedNote {
        let root = MerkleTree.root(of: entries.prefix(size).map { MerkleTree.leafHash(of: $0) })
        return try signer.note(size: UInt64(size), root: root)
    }

    func archiver(
        _ objects: any ObjectStore, leads: Bool = true, store: LedgerStore? = nil
    ) -> Archiver {
        let store = store ?? self.store
        return Archiver(
            settings: .init(
                interval: .milliseconds(30_000), origin: signer.verifier.name,
                keys: [signer.verifier]),
            store: store, objects: objects, tree: tree(of: store), clock: clock, logger: logger,
            view: {
                Archiver.View(
                    leads: leads, isFenced: self.isFenced,
                    head: SequenceNumber(rawValue: self.edge.size))
            }, covered: { _, _ in },
            blockStart: { number in
                self.state.withLock { state in
                    state.starts.last { $0 <= number.rawValue }.map { SequenceNumber($0) }
                }
            })
    }

    func reader(_ objects: any ObjectStore, cacheBytes: Int = 8 << 20) -> ArchiveReader {
        ArchiveReader(objects, cacheBytes: cacheBytes, logger: logger)
    }

    func checkpoint(_ objects: any ObjectStore, logger: Logger? = nil) -> ArchivedCheckpoint {
        ArchivedCheckpoint(objects, keys: [signer.verifier], logger: logger ?? self.logger)
    }

    /// Lets an archiver look and archive once.
    func round(_ archiver: Archiver) async {
        clock.advance(by: .milliseconds(31_000))
        _ = await archiver.step()
        clock.advance(by: .milliseconds(1))
        _ = await archiver.step()
    }

    /// Removes all objects.
    func empty() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            try FileManager.default.removeItem(at: folder.appending(path: name))
        }
    }

    /// Lets everything up to a number leave etcd.
    func trim(to number: UInt64) async throws {
        guard let stored = try await store.archive(),
            let firstKept = try await store.newestStoredBlockStart(
                atOrBelow: SequenceNumber(number + 1))
        else { throw TestFailure("nothing is archived") }
        let record = try ArchiveRecord(
            location: stored.record.location, through: stored.record.through,
            trimmed: SequenceNumber(number))
        try await self.stored.put(self.stored.keys.archive, record.encodedJSON())
        let keys = store.keys
        let ranges = [
            (keys.block(.first), keys.block(firstKept)),
            (keys.ids(0), keys.ids(number / 4_096)),
            (
                keys.tile(TileID(level: 0, index: 0)),
                keys.tile(TileID(level: 0, index: number / 256))
            ),
        ]
        _ = try await self.stored.client.transaction(
            EtcdTransaction(success: ranges.map { .delete(key: $0.0, rangeEnd: $0.1) }))
    }

    func record() async throws -> ArchiveRecord? {
        try await store.archive()?.record
    }

    // MARK: What should be there

    /// The objects of a log of a size, as `ledgerctl tiles` makes them of the same entries, and ids segments made by the
    /// text of formats.md.
    func expected(_ size: Int) throws -> [String: [UInt8]] {
        var builder = TileBuilder()
        var objects: [String: [UInt8]] = [:]
        for entry in entries.prefix(size) {
            for file in try builder.append(LedgerVerify.SealedEntry(decoding: entry)) {
                objects[file.name] = file.bytes
            }
        }
        for file in builder.partialFiles { objects[file.name] = file.bytes }
        for segment in 0..<size / 4_096 {
            objects[ArchiveNames.segment(UInt64(segment)).text] = try ids(segment)
        }
        return objects
    }

    private func ids(_ segment: Int) throws -> [UInt8] {
        let range = segment * 4_096..<(segment + 1) * 4_096
        var bytes: [UInt8] = []
        var bits = [UInt8](repeating: 0, count: 512)
        let starts = Set(state.withLock { $0.starts })
        for (place, index) in range.enumerated() {
            let id = try EntryView(decoding: entries[index][...]).eventIDBytes
            bytes += Digest.sha256(Array("ILID".utf8) + id).bytes.prefix(8)
            if starts.contains(UInt64(index + 1)) { bits[place / 8] |= 1 << UInt8(place % 8) }
        }
        return bytes + bits
    }

    /// What is wrong with the folder as a log of the size that its checkpoint states; empty where nothing is.
    func faults() async throws -> [String] {
        guard let archived = try await checkpoint(objects).read() else { return ["no checkpoint"] }
        let size = Int(archived.checkpoint.size)
        guard size <= entries.count else { return ["a checkpoint of \(size) events"] }
        var faults: [String] = []
        if archived.checkpoint.root != (try Checkpoint(parsing: note(size).text)).root {
            faults.append("another root")
        }
        for (name, bytes) in try expected(size) {
            let there = try await objects.read(try ObjectName(name), maximum: 1 << 25)
            if there != bytes { faults.append(there == nil ? "\(name) is missing" : name) }
        }
        if let through = try await record()?.through.rawValue, through > archived.checkpoint.size {
            faults.append("recorded through \(through), the checkpoint says \(size)")
        }
        return faults
    }
}

/// A clock that stands still until it is told otherwise; nobody sleeps on it.
final class ManualClock: ReplicaClock {
    private let time = Mutex(MonotonicInstant(nanoseconds: 0))

    var now: MonotonicInstant { time.withLock { $0 } }
    var moment: Moment { Moment(now: now, wall: .unsampled) }

    func advance(by length: Nanoseconds) { time.withLock { $0 = $0 + length } }
    func sleep(for length: Nanoseconds) async throws { advance(by: length) }
    func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
}
