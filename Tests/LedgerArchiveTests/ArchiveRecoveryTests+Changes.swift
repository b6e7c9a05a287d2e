import Foundation
import LedgerArchive
import LedgerCore
import LedgerStore
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
}
