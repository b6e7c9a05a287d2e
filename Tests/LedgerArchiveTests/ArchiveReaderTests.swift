import Foundation
import LedgerArchive
import LedgerCore
import LedgerStore
import LedgerTransparency
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
            reader.check(with: tree)
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

    @Test("a segment is compared with what was read when the ledger was loaded")
    func segments() async throws {
        try await ArchiveBench.with(events: 4_400) { bench, _ in
            try await bench.publish(4_400)
            await bench.round(bench.archiver(bench.objects))
            let reader = bench.reader(bench.objects, cacheBytes: 0)
            let name = ArchiveNames.segment(0)
            let right = try #require(try await bench.objects.read(name, maximum: 1 << 20))
            var wrong = right
            wrong[100] ^= 1
            // Loading: the newest reading counts, for it is the one that was verified as a whole.
            try await bench.objects.replace(name, with: wrong)
            #expect(try await reader.segment(0, .asStored) == wrong)
            try await bench.objects.replace(name, with: right)
            #expect(try await reader.segment(0, .asStored) == right)
            let tree = bench.tree
            reader.check(with: tree)
            #expect(try await reader.segment(0, .checked) == right)
            try await bench.objects.replace(name, with: wrong)
            #expect(
                await trouble { () async throws(LedgerStoreError) in
                    try await reader.segment(0, .checked)
                } != nil)
            // Whoever verifies reads it as it is, and that changes nothing of what is known.
            #expect(try await reader.segment(0, .asStored) == wrong)
            #expect(
                await trouble { () async throws(LedgerStoreError) in
                    try await reader.segment(0, .checked)
                } != nil)
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
            let checkpoint = bench.checkpoint(bench.objects)
            let record = try #require(await checkpoint.records().first)
            #expect(record.source == "the archive" && record.size == 4_400)
            #expect(record.root == bench.edge.frontier.root)
            let other = try NoteSigner(
                name: bench.signer.verifier.name, privateKey: Array(repeating: 1, count: 32))
            try await bench.objects.replace(
                ArchiveNames.checkpoint,
                with: try other.note(size: 9_999, root: .zero).encoded())
            #expect(await checkpoint.records().isEmpty)
            try await bench.objects.remove(ArchiveNames.checkpoint)
            #expect(await checkpoint.records().isEmpty)
        }
    }
}
