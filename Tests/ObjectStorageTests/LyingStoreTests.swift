import Foundation
import ObjectStorage
import TestSupport
import Testing

/// The store that lies does so when it is told to, and only then: tests of others rely on it.
@Suite("LyingStore")
struct LyingStoreTests {
    private func withStore(
        _ body: (LyingStore, FolderStore) async throws -> Void
    ) async throws {
        let root = FileManager.default.temporaryDirectory
            .appending(path: "ledger-objects-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        let folder = FolderStore(path: root.path)
        try await body(LyingStore(around: folder, seed: 1), folder)
    }

    @Test("each fault does what it says")
    func faults() async throws {
        try await withStore { lying, truth in
            let name = try ObjectName("a")
            let bytes = [UInt8](0..<100)
            #expect(try await lying.putIfAbsent(name, bytes) == .created)
            #expect(try await lying.read(name, maximum: 100) == bytes)

            lying.faults = LyingStore.Faults([.absent: 1])
            #expect(try await lying.read(name, maximum: 100) == nil)
            lying.faults = LyingStore.Faults([.truncated: 1])
            let short = try #require(try await lying.read(name, maximum: 100))
            #expect(short.count < 100 && bytes.starts(with: short))
            lying.faults = LyingStore.Faults([.flippedBit: 1])
            let flipped = try #require(try await lying.read(name, maximum: 100))
            #expect(zip(flipped, bytes).map { ($0 ^ $1).nonzeroBitCount }.reduce(0, +) == 1)

            lying.faults = LyingStore.Faults()
            try await lying.replace(name, with: [1])
            lying.faults = LyingStore.Faults([.old: 1])
            #expect(try await lying.read(name, maximum: 100) == bytes)

            lying.faults = LyingStore.Faults([.lostWrite: 1])
            let lost = try ObjectName("lost")
            #expect(try await lying.putIfAbsent(lost, [1]) == .created)
            #expect(try await truth.read(lost, maximum: 9) == nil)
            lying.faults = LyingStore.Faults([.lostAnswer: 1])
            await #expect(throws: ObjectStoreError.self) { try await lying.putIfAbsent(lost, [2]) }
            #expect(try await truth.read(lost, maximum: 9) == [2])
            lying.faults = LyingStore.Faults([.unavailable: 1])
            await #expect(throws: ObjectStoreError.self) { try await lying.remove(lost) }
            #expect(try await truth.read(lost, maximum: 9) == [2])

            var faults = LyingStore.Faults([.absent: 1])
            faults.prefix = "other"
            lying.faults = faults
            #expect(try await lying.read(lost, maximum: 9) == [2])
        }
    }
}
