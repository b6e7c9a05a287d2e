import Foundation
import LedgerArchive
import LedgerCore
import LedgerStore
import ObjectStorage
import TestSupport
import Testing

/// What lies in an archive and belongs to no log.
extension ArchiveRecoveryTests {
    @Test(
        "what an archiver left whose events etcd has lost blocks archiving, until it is set aside; what is covered is not touched"
    )
    func leftovers() async throws {
        try await ArchiveBench.with(events: 9_000) { bench, ledger in
            try await bench.publish(8_300)
            let archiver = bench.archiver(bench.objects)
            await bench.round(archiver)
            let kept = try bench.expected(8_300)
            // Written for a checkpoint of 12,400 events that never came, of which this etcd knows nothing.
            let lost = [
                "ids/00000000000000000002", "tile/0/032", "tile/0/033", "tile/0/048.p/112",
                "tile/1/000.p/48", "tile/entries/032", "tile/entries/033",
                "tile/entries/048.p/112",
            ]
            for name in lost {
                #expect(
                    try await bench.objects.putIfAbsent(ObjectName(name), Array(name.utf8))
                        == .created)
            }
            try await bench.seal(3_500, with: ledger)
            for size in [8_704, 12_400] {
                try await bench.publish(size)
                await bench.round(archiver)
                #expect(archiver.status.trouble?.code == "other_bytes", "\(size)")
                #expect("\(archiver.status.trouble!)".contains("ledgerctl archive set-aside"))
            }
            #expect(try await bench.record()?.through == 8_300)
            // A store of which no replica seals, with the same record.
            let prefix = "\(EtcdCluster.ledgers)aside-\(UUID().uuidString)/"
            let store = LedgerStore(
                store: bench.stored.client, keys: LedgerKeys(prefix: prefix))
            let record = try #require(try await bench.record())
            _ = await store.putArchive(record, replacing: nil, timeout: .seconds(10))
            let command = ArchiveSetAside(
                bench.objects, keys: [bench.signer.verifier], store: store)
            var planned: [String] = []
            let refused = try await command.run(into: "1", waiting: { _ in }) { plan in
                #expect(plan.size == 8_300)
                planned = plan.names.map(\.text)
                return false
            }
            #expect(refused == nil)
            // What the archiver itself has written beyond, before it found the first of them, goes too.
            #expect(Set(planned).isSuperset(of: lost))
            #expect(planned.allSatisfy { kept[$0] == nil })
            // While somebody is asked, an archiver publishes more.
            let checkpoint = bench.folder.appending(path: "checkpoint")
            let published = try Data(contentsOf: checkpoint)
            await #expect {
                try await command.run(into: "1", waiting: { _ in }) { _ in
                    try Data(bench.note(12_400).encoded()).write(to: checkpoint)
                    return true
                }
            } throws: { error in
                if case RecoveryError.archiveChanged = error { true } else { false }
            }
            try published.write(to: checkpoint)
            let moved = try await command.run(into: "1", waiting: { _ in }) { _ in true }
            #expect(moved?.names.map(\.text) == planned)
            for name in lost {
                let there = try await bench.objects.read(ObjectName(name), maximum: 1 << 20)
                let aside = try await bench.objects.read(
                    ObjectName("aside/1/\(name)"), maximum: 1 << 20)
                #expect(there == nil && aside == Array(name.utf8))
            }
            #expect(try await bench.faults() == [])
            #expect(try await command.run(into: "2", waiting: { _ in }) { _ in true }?.names == [])
            await bench.round(archiver)
            #expect(archiver.status.trouble == nil)
            #expect(try await bench.record()?.through == 12_400)
            #expect(try await bench.faults() == [])

            // A late archiver has put a smaller checkpoint back: what etcd records as archived stays.
            let raised = try #require(try await bench.record())
            _ = await store.putArchive(
                raised, replacing: try await store.archive(), timeout: .seconds(10))
            try await bench.objects.replace(
                ArchiveNames.checkpoint, with: bench.note(8_300).encoded())
            let after = try await command.run(into: "3", waiting: { _ in }) { _ in true }
            #expect(after?.size == 12_400 && after?.names == [])
        }
    }

    @Test("an object is behind a size where it has anything of a later event")
    func behind() throws {
        let cases: [(String, UInt64, Bool)] = [
            ("checkpoint", 0, false), ("ids/00000000000000000000", 4_095, true),
            ("ids/00000000000000000000", 4_096, false), ("tile/entries/000", 255, true),
            ("tile/entries/000", 256, false), ("tile/entries/001.p/4", 259, true),
            ("tile/entries/001.p/4", 260, false), ("tile/0/001.p/4", 259, true),
            ("tile/0/001.p/4", 260, false), ("tile/1/000.p/2", 511, true),
            ("tile/1/000.p/2", 512, false), ("tile/1/000", 65_535, true),
            ("tile/1/000", 65_536, false), ("tile/0/x072/x057/x594/x037/927/935", .max, true),
        ]
        for (text, size, isBehind) in cases {
            let object = ArchiveObject(try ObjectName(text))
            // Where the name is none, nothing touches it.
            #expect(object?.isBehind(size) ?? isBehind == isBehind, "\(text), \(size)")
        }
    }
}
