import Foundation
import LedgerArchive
import LedgerCore
import ObjectStorage
import TestSupport
import Testing

/// Archives that are verified, and copied, without a ledger beside them.
extension ArchiveRecoveryTests {
    @Test(
        "an archive is verified without etcd, and a changed or missing object of each kind is named"
    )
    func verification() async throws {
        try await withArchive { bench, _, _ in
            let verification = ArchiveVerification(bench.objects, keys: [bench.signer.verifier])
            let archive = try await verification.verify().archive
            #expect(archive.size == UInt64(Self.size))
            #expect(archive.objectCount > 70)
            for name in [
                "tile/entries/000", "tile/entries/036.p/84", "tile/0/003", "tile/0/036.p/84",
                "tile/1/000.p/36", "ids/00000000000000000001", "checkpoint",
            ] {
                let file = bench.folder.appending(path: name)
                let kept = try Data(contentsOf: file)
                // Where blocks begin, the last 512 bytes of a segment, is recorded nowhere else.
                let last = name.hasPrefix("ids/") ? kept.count - 600 : kept.count - 2
                for place in [0, kept.count / 2, last] {
                    var changed = kept
                    changed[changed.startIndex + place] ^= 0x10
                    try changed.write(to: file)
                    await #expect(throws: ArchiveFinding.self, "\(name), byte \(place)") {
                        try await verification.verify()
                    }
                }
                try FileManager.default.removeItem(at: file)
                let finding = await #expect(throws: ArchiveFinding.self) {
                    try await verification.verify()
                }
                if name != "checkpoint" { #expect("\(finding!)".contains(name)) }
                try kept.write(to: file)
            }
            let stranger = try NoteSigner(
                name: bench.signer.verifier.name, privateKey: Array(repeating: 8, count: 32))
            await #expect(throws: ArchiveFinding.self) {
                try await ArchiveVerification(bench.objects, keys: [stranger.verifier]).verify()
            }
            _ = try await verification.verify()
        }
    }

    @Test("a copy never takes the place of a larger one")
    func copies() async throws {
        try await ArchiveBench.with(events: 600) { bench, _ in
            let folders = try ["older", "newer"].map { name in
                let folder = bench.folder.appending(path: "~\(name)")
                try FileManager.default.createDirectory(
                    at: folder, withIntermediateDirectories: true)
                return FolderStore(path: folder.path)
            }
            for (size, target) in zip([300, 600], folders) {
                try await bench.publish(size)
                await bench.round(bench.archiver(bench.objects))
                _ = try await ArchiveCopy(
                    from: bench.objects, to: target, keys: [bench.signer.verifier]
                ).run(copied: { _, _ in }, verified: { _, _ in })
            }
            let copy = ArchiveCopy(
                from: folders[0], to: folders[1], keys: [bench.signer.verifier])
            await #expect(throws: ArchiveFinding.self) {
                try await copy.run(copied: { _, _ in }, verified: { _, _ in })
            }
            #expect(try await bench.checkpoint(folders[1]).read()?.checkpoint.size == 600)
        }
    }
}
