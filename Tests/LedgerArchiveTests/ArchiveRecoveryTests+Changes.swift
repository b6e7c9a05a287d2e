import Foundation
import LedgerArchive
import LedgerCore
import LedgerStore
import ObjectStorage
import TestSupport
import Testing

/// What is read to be written is what was verified (protocol.md 27).
extension ArchiveRecoveryTests {
    @Test("what is read to be written is what was verified before, or nothing of it is written")
    func changedMeanwhile() async throws {
        try await withArchive { bench, stored, store in
            for prefix in ["tile/entries/", "ids/"] {
                let lying = LyingStore(around: bench.objects, seed: 5)
                let recovery = ArchiveRecovery(
                    lying, keys: [bench.signer.verifier], store: store, retain: nil)
                let error = await #expect(throws: RecoveryError.self, "\(prefix)") {
                    try await recovery.run(
                        confirm: { _ in
                            var faults = LyingStore.Faults([.flippedBit: 1])
                            faults.prefix = prefix
                            lying.faults = faults
                            return true
                        }, progress: { _ in })
                }
                guard case .archive(.wrong)? = error else {
                    Issue.record("\(prefix): \(String(describing: error))")
                    continue
                }
                let observation = try await store.observe().observation
                #expect(observation == .empty, "\(prefix)")
            }
        }
    }

    @Test("protocol.md 27: what has changed since it was verified is not written")
    func changedSince() async throws {
        try await withArchive { bench, _, _ in
            // A payload that no later entry of its bundle is linked to, and where a block begins.
            let changes: [(String, (Data) -> Int)] = [
                (
                    "tile/entries/036.p/84",
                    { data in data.lastRange(of: Data("payload of".utf8))?.lowerBound ?? 0 }
                ), ("ids/00000000000000000001", { data in data.count - 100 }),
            ]
            for (name, place) in changes {
                let store = freshStore(bench, bench.stored.client)
                let file = bench.folder.appending(path: name)
                let right = try Data(contentsOf: file)
                await #expect(throws: RecoveryError.self, "\(name)") {
                    try await recovery(bench, store).run(
                        confirm: { _ in
                            var changed = right
                            changed[changed.startIndex + place(right)] ^= 1
                            try changed.write(to: file)
                            return true
                        }, progress: { _ in })
                }
                #expect(
                    try await store.observe().observation.head.sequence.rawValue
                        < UInt64(Self.size))
                try right.write(to: file)
                // What was written until then is right.
                let plan = try await recovery(bench, store).run(
                    confirm: { _ in true }, progress: { _ in })
                #expect(plan?.size == UInt64(Self.size))
            }
        }
    }

    @Test(
        "protocol.md 27: another past, whole and in order, that takes the place of the verified one is not written"
    )
    func anotherPastMeanwhile() async throws {
        try await withArchive { bench, _, store in
            // From here on the events were sealed a millisecond later. With 1,024 events at most, a block of them ends
            // before the second ids segment begins: it could be put before anything behind it is read.
            let first: UInt64 = 12
            let bundles = try otherPast(bench, from: first)
            let error = await #expect(throws: RecoveryError.self) {
                try await recovery(bench, store).run(
                    confirm: { _ in
                        for (name, bytes) in bundles {
                            try Data(bytes).write(to: bench.folder.appending(path: name.text))
                        }
                        return true
                    }, progress: { _ in })
            }
            guard case .archive(.wrong(ArchiveNames.bundle(first), _))? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(try await store.observe().observation == .empty)
        }
    }

    /// The bundles from one on, as they would be had their events been sealed later: well-formed, in order and linked,
    /// also to the bundle before.
    private func otherPast(
        _ bench: ArchiveBench, from first: UInt64
    ) throws -> [(name: ObjectName, bytes: [UInt8])] {
        let width = UInt64(TileID.width)
        let entries = bench.entries.prefix(Self.size)
        var previous = Digest.sha256(entries[Int(first * width) - 1])
        var bundles: [(name: ObjectName, bytes: [UInt8])] = []
        for index in first...UInt64(Self.size) / width {
            let places = Int(index * width)..<min(Int((index + 1) * width), Self.size)
            var bytes: [UInt8] = []
            for entry in entries[places] {
                let view = try EntryView(decoding: entry[...])
                let other = EntryTemplate(view).bytes(
                    sequenceNumber: view.sequenceNumber, sealedTimestamp: view.sealedTimestamp + 1,
                    previousHash: previous)
                Block.append(other, to: &bytes)
                previous = Digest.sha256(other)
            }
            bundles.append((ArchiveNames.bundle(index, width: places.count), bytes))
        }
        return bundles
    }
}
