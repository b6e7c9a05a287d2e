import EtcdGateway
import Foundation
import LedgerAPI
import LedgerCore
import LedgerStore
import ObjectStorage
import TestSupport
import Testing

extension Integration {
    /// What a starting replica reads of a ledger whose old events are in a folder.
    @Suite("Loading from a folder")
    struct ArchivedLoadingTests {
        @Test(
            "protocol.md 26: events that are in a folder alone are loaded as if etcd had them; wrong, missing and truncated objects are the folder's fault, and are mended by mending it"
        )
        func loads() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    for part in 1...4 { try await seal("part-\(part)", 4_500, ledger) }
                    let copy = try await stored.copy(
                        to: "\(EtcdCluster.ledgers)loading-\(UUID().uuidString)/")
                    let whole = LedgerStore(store: copy.client, keys: copy.keys)
                    let head = try await whole.observe().observation
                    let known = try await LedgerLoader(whole).load(upTo: head, indexSeed: 1)

                    let folder = try FolderPast()
                    defer { folder.remove() }
                    try await folder.fill(from: copy)
                    try await trim(copy, to: 8_192, location: folder.location)
                    let store = LedgerStore(
                        store: copy.client, keys: copy.keys, archived: folder)
                    func load() async throws(LedgerStoreError) -> LedgerState {
                        let head = try await store.observe().observation
                        return try await LedgerLoader(store).load(upTo: head, indexSeed: 2)
                    }
                    func expectLoaded() async throws {
                        let loaded = try await load()
                        #expect(loaded.tiles == known.tiles)
                        #expect(loaded.index.count == 18_000)
                        #expect(loaded.index.fullSegments == known.index.fullSegments)
                        #expect(loaded.index.openSegment == known.index.openSegment)
                        for number in [1, 4_096, 4_097, 8_192, 8_193, 18_000] as [SequenceNumber] {
                            #expect(
                                loaded.index.blockStart(containing: number)
                                    == known.index.blockStart(containing: number))
                        }
                    }
                    func expectTrouble() async {
                        do throws(LedgerStoreError) {
                            _ = try await load()
                            Issue.record("it was believed")
                        } catch {
                            guard case .archive = error.code else {
                                Issue.record("\(error)")
                                return
                            }
                        }
                    }

                    try await expectLoaded()
                    for object in ["ids/00000000000000000000", "ids/00000000000000000001"] {
                        let right = try folder.bytes(object)
                        var flipped = right
                        flipped[20_000] ^= 4
                        for wrong in [flipped, right.dropLast(), right + [0], Data()] {
                            try folder.write(object, wrong)
                            await expectTrouble()
                        }
                        try folder.removeObject(object)
                        await expectTrouble()
                        try folder.write(object, right)
                        try await expectLoaded()
                    }
                    // Tiles of the tree's edge that have left etcd.
                    let tile = "tile/0/031"
                    let right = try folder.bytes(tile)
                    var flipped = right
                    flipped[7_000] ^= 4
                    try folder.write(tile, flipped)
                    await expectTrouble()
                    try folder.write(tile, right)
                    try await expectLoaded()
                }
            }
        }

        private func seal(_ prefix: String, _ count: Int, _ ledger: LedgerFixture) async throws {
            let answers = try await ledger.calls.submitStream(
                Ledger_CertifiedEvent.samples(prefix, count: count))
            #expect(answers.allSatisfy { $0.isSealed })
        }

        /// Records that events may be missing, and deletes them.
        private func trim(
            _ stored: StoredLedger, to trimmed: SequenceNumber, location: String
        ) async throws {
            let keys = stored.keys
            let pairs = try await stored.everything()
            var digest = SegmentsDigest()
            for pair in pairs {
                guard let number = keys.segmentNumber(pair.key),
                    number < trimmed.rawValue / ArchiveRecord.trimStep
                else { continue }
                digest.append(SegmentsDigest.ofSegment(pair.value))
            }
            let record = try ArchiveRecord(
                location: location, through: trimmed, trimmed: trimmed)
            try await stored.put(keys.archivedIds, digest.encodedJSON())
            try await stored.put(keys.archive, record.encodedJSON())
            try await stored.put(keys.format, LedgerFormat.two.value)
            for pair in pairs {
                let isOld: Bool =
                    if let number = keys.segmentNumber(pair.key) {
                        number < digest.count
                    } else if let tile = keys.tileID(pair.key) {
                        tile.level == 0 && tile.index < trimmed.rawValue / 256
                    } else if let first = keys.blockNumber(pair.key) {
                        try Block(decoding: pair.value, firstNumber: first).lastNumber <= trimmed
                    } else { false }
                if isOld { try await stored.delete(pair.key) }
            }
        }
    }
}

/// A folder with the full objects of a ledger (formats.md, "Archive").
private struct FolderPast: ArchivedPast {
    private let url: URL
    private let objects: FolderStore

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(
            path: "loading-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        objects = FolderStore(path: url.path)
    }

    var location: String { objects.location }

    func remove() { try? FileManager.default.removeItem(at: url) }

    func bytes(_ object: String) throws -> Data {
        try Data(contentsOf: url.appending(path: object))
    }

    func write(_ object: String, _ bytes: Data) throws {
        try bytes.write(to: url.appending(path: object), options: .atomic)
    }

    func removeObject(_ object: String) throws {
        try FileManager.default.removeItem(at: url.appending(path: object))
    }

    func fill(from stored: StoredLedger) async throws {
        var bundle: [UInt8] = []
        var last = SequenceNumber.zero
        for pair in try await stored.everything() {
            if let id = stored.keys.tileID(pair.key) {
                let path = TilePath(kind: .hashes(level: id.level), index: id.index)
                try await put("tile/\(path.text)", pair.value)
            }
            if let number = stored.keys.segmentNumber(pair.key) {
                try await put(Self.segmentName(number), pair.value)
            }
            guard let first = stored.keys.blockNumber(pair.key) else { continue }
            for entry in try Block(decoding: pair.value, firstNumber: first).entries {
                last = last.next
                Block.append(entry, to: &bundle)
                guard last.rawValue.isMultiple(of: 256) else { continue }
                let path = TilePath(kind: .entries, index: last.rawValue / 256 - 1)
                try await put("tile/\(path.text)", bundle)
                bundle = []
            }
        }
    }

    private func put(_ name: String, _ bytes: [UInt8]) async throws {
        _ = try await objects.putIfAbsent(ObjectName(name), bytes)
    }

    private static func segmentName(_ number: UInt64) -> String {
        var digits: [UInt8] = []
        DecimalText.appendPadded(number, to: &digits)
        return "ids/\(String(decoding: digits, as: UTF8.self))"
    }

    private func read(_ name: String) async throws(LedgerStoreError) -> [UInt8] {
        do throws(ObjectStoreError) {
            let bytes = try await objects.read(ObjectName(name), maximum: 16 << 20)
            if let bytes { return bytes }
        } catch {
            throw .archive(.unavailable("\(error)"))
        }
        throw .archive(.contradicts("\(name), which is missing,"))
    }

    func bundle(_ index: UInt64, _ trust: ArchiveTrust) async throws(LedgerStoreError) -> [UInt8] {
        try await read("tile/\(TilePath(kind: .entries, index: index).text)")
    }

    func tile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8] {
        try await read("tile/\(TilePath(kind: .hashes(level: id.level), index: id.index).text)")
    }

    func segment(
        _ number: UInt64, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] {
        try await read(Self.segmentName(number))
    }
}
