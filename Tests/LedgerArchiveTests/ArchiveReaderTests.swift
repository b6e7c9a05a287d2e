import Foundation
import LedgerArchive
import LedgerCore
import LedgerStore
import LedgerTransparency
import Logging
import ObjectStorage
import TestSupport
import Testing

/// Tests here start a real etcd and a real service, one after the other.
@Suite("Reading what has left etcd", .serialized)
struct ArchiveReaderTests {
    /// Runs a test with an archive of 4,400 events, of which a reader that knows the tree reads.
    private func withArchive(
        _ body: (ArchiveBench, LyingStore, ArchiveReader, TreeReader) async throws -> Void
    ) async throws {
        try await ArchiveBench.with(events: 4_400) { bench, _ in
            try await bench.publish(4_400)
            await bench.round(bench.archiver(bench.objects))
            #expect(try await bench.record()?.through == 4_400)
            let lying = LyingStore(around: bench.objects, seed: 1)
            let reader = bench.reader(lying)
            let tree = bench.tree
            reader.check(with: tree) { bench.digest(ofSegment: $0) }
            try await body(bench, lying, reader, tree)
            // Who checks is kept by somebody else.
            withExtendedLifetime(tree) {}
        }
    }

    private func trouble(
        _ body: () async throws(LedgerStoreError) -> [UInt8]
    ) async -> ArchiveTrouble? {
        do throws(LedgerStoreError) {
            _ = try await body()
            return nil
        } catch {
            guard case .archive(let trouble) = error.code else { return nil }
            return trouble
        }
    }

    @Test("entries, tiles and segments are those of the ledger; what was read is kept")
    func reads() async throws {
        try await withArchive { bench, lying, reader, _ in
            let expected = try bench.expected(4_400)
            for index: UInt64 in [0, 7, 16] {
                let bytes = try await reader.bundle(index, .checked)
                #expect(bytes == expected[ArchiveNames.bundle(index).text])
                let tile = try await reader.tile(TileID(level: 0, index: index))
                #expect(tile == expected[ArchiveNames.tile(TileID(level: 0, index: index)).text])
            }
            #expect(
                try await reader.segment(0, .checked) == expected[ArchiveNames.segment(0).text])
            let calls = lying.calls.count
            _ = try await reader.bundle(7, .checked)
            _ = try await reader.segment(0, .checked)
            #expect(lying.calls.count == calls)
            #expect(reader.status.hits == 2)
            // Who verifies by itself reads what is stored, not what was kept.
            _ = try await reader.bundle(7, .asStored)
            #expect(lying.calls.count == calls + 1)
        }
    }

    @Test("equal reads at the same time are one")
    func shared() async throws {
        try await withArchive { _, lying, reader, _ in
            var slow = LyingStore.Faults()
            slow.slowRate = 1
            slow.longestDelay = .milliseconds(200)
            lying.faults = slow
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask { _ = try await reader.bundle(3, .checked) }
                }
                try await group.waitForAll()
            }
            #expect(lying.calls.count { $0.name == "tile/entries/003" } == 1)
        }
    }

    @Test(
        "a wrong byte anywhere is never handed out, and an answer that is wrong once is asked for again"
    )
    func wrongBytes() async throws {
        try await withArchive { bench, lying, reader, _ in
            let files: [(ObjectName, () async throws(LedgerStoreError) -> [UInt8])] = [
                (
                    ArchiveNames.bundle(2),
                    { () async throws(LedgerStoreError) in try await reader.bundle(2, .checked) }
                ),
                (
                    ArchiveNames.tile(TileID(level: 0, index: 2)),
                    { () async throws(LedgerStoreError) in
                        try await reader.tile(TileID(level: 0, index: 2))
                    }
                ),
            ]
            for (name, read) in files {
                let right = try #require(try await bench.objects.read(name, maximum: 1 << 25))
                var (first, last) = (right, right)
                first[0] ^= 128
                last[last.count - 1] ^= 1
                let wrongs: [[UInt8]] = [first, last, Array(right.dropLast()), right + [0], []]
                for wrong in wrongs {
                    try await bench.objects.replace(name, with: wrong)
                    let before = reader.status.contradictions
                    let found = await trouble(read)
                    guard case .contradicts = found else {
                        Issue.record("\(name): \(String(describing: found))")
                        continue
                    }
                    #expect(reader.status.contradictions == before + 2)
                    #expect(reader.status.trouble != nil)
                }
                try await bench.objects.remove(name)
                #expect(await trouble(read) != nil, "missing")
                try await bench.objects.replace(name, with: right)
                #expect(await trouble(read) == nil)
                #expect(reader.status.trouble == nil)
            }
            // As stored, it is what is there: who reads it so verifies it.
            try await bench.objects.replace(ArchiveNames.bundle(5), with: [1, 2, 3])
            #expect(try await reader.bundle(5, .asStored) == [1, 2, 3])
            // Half of the answers are wrong: half of those that were asked for again are right.
            lying.faults = LyingStore.Faults([.flippedBit: 0.5])
            var answered = 0
            for index: UInt64 in 6..<16 {
                if await trouble({ () async throws(LedgerStoreError) in
                    try await reader.bundle(index, .checked)
                }) == nil {
                    answered += 1
                }
            }
            #expect(answered >= 1)
            lying.faults = LyingStore.Faults()
            for index: UInt64 in 6..<16 {
                #expect(
                    try await reader.bundle(index, .checked)
                        == bench.expected(4_400)[ArchiveNames.bundle(index).text])
            }
        }
    }

    @Test("a segment is compared with the one that the id index was made of, and kept only then")
    func segments() async throws {
        try await ArchiveBench.with(events: 4_400) { bench, _ in
            try await bench.publish(4_400)
            await bench.round(bench.archiver(bench.objects))
            let reader = bench.reader(bench.objects)
            let name = ArchiveNames.segment(0)
            let right = try #require(try await bench.objects.read(name, maximum: 1 << 20))
            var wrong = right
            wrong[33_000] ^= 1
            let checked = { () async throws(LedgerStoreError) in
                try await reader.segment(0, .checked)
            }
            // While the ids are being loaded nothing is known of it.
            try await bench.objects.replace(name, with: wrong)
            #expect(!reader.knows(segment: 0))
            #expect(try await reader.segment(0, .checked) == wrong)
            let tree = bench.tree
            reader.check(with: tree) { bench.digest(ofSegment: $0) }
            #expect(reader.knows(segment: 0))
            #expect(!reader.knows(segment: 1))
            // Whoever verifies reads it as it is, and that says nothing of what is right.
            #expect(try await reader.segment(0, .asStored) == wrong)
            #expect(await trouble(checked) != nil)
            try await bench.objects.replace(name, with: right)
            #expect(try await checked() == right)
            try await bench.objects.replace(name, with: wrong)
            #expect(try await checked() == right, "it is kept")
            withExtendedLifetime(tree) {}
        }
    }

    @Test(
        "protocol.md 26: where blocks begin is no part of the tree: a lie about it says nothing against the ledger"
    )
    func boundaries() async throws {
        try await ArchiveBench.with(events: 9_000) { bench, _ in
            try await bench.publish(9_000)
            await bench.round(bench.archiver(bench.objects))
            try await bench.trim(to: 8_192)
            let reader = bench.reader(bench.objects, cacheBytes: 0)
            let store = bench.store(archived: reader)
            let tree = bench.tree(of: store)
            reader.check(with: tree) { bench.digest(ofSegment: $0) }
            let name = ArchiveNames.segment(0)
            let right = try #require(try await bench.objects.read(name, maximum: 1 << 20))
            // No block begins with number 1, and one with number 3.
            var wrong = right
            wrong[32_768] = 4
            try await bench.objects.replace(name, with: wrong)
            _ = try await store.archive()
            let found = await trouble { () async throws(LedgerStoreError) in
                try await store.block(first: 1) ?? []
            }
            #expect(found != nil)
            try await bench.objects.replace(name, with: right)
            #expect(try await store.block(first: 1) != nil)
            withExtendedLifetime(tree) {}
        }
    }

    @Test(
        "without a tree no entries are handed out as checked, and a storage that is down is no contradiction"
    )
    func unavailable() async throws {
        try await withArchive { bench, lying, reader, tree in
            let treeless = bench.reader(bench.objects)
            #expect(
                await trouble { () async throws(LedgerStoreError) in
                    try await treeless.bundle(0, .checked)
                } == .unavailable("the ledger's tree is still being loaded"))
            let unchecked = try await treeless.tile(TileID(level: 0, index: 0))
            #expect(unchecked.count == 8_192)
            lying.faults = LyingStore.Faults([.unavailable: 1])
            let found = await trouble { () async throws(LedgerStoreError) in
                try await reader.bundle(0, .checked)
            }
            guard case .unavailable = found else {
                Issue.record("\(String(describing: found))")
                return
            }
            #expect(reader.status.contradictions == 0 && reader.status.failures == 1)
        }
    }

    @Test(
        "the archive's checkpoint is a record of the ledger, where the ledger's key has signed it")
    func records() async throws {
        try await withArchive { bench, _, _, _ in
            let log = LogRecorder()
            let checkpoint = bench.checkpoint(
                bench.objects, logger: Logger(label: "test") { _ in log })
            let record = try #require(await checkpoint.records().first)
            #expect(record.source == "the archive" && record.size == 4_400)
            #expect(record.root == bench.edge.frontier.root)
            let other = try NoteSigner(
                name: bench.signer.verifier.name, privateKey: Array(repeating: 1, count: 32))
            try await bench.objects.replace(
                ArchiveNames.checkpoint,
                with: try other.note(size: 9_999, root: .zero).encoded())
            #expect(await checkpoint.records().isEmpty)
            #expect(
                log.codes(of: "the archive's checkpoint cannot be read") == ["not_this_ledgers"])
            try await bench.objects.remove(ArchiveNames.checkpoint)
            #expect(await checkpoint.records().isEmpty)
        }
    }
}
