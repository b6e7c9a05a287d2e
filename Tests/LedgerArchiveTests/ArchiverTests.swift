import Foundation
import LedgerCore
import LedgerStore
import LedgerTransparency
import ObjectStorage
import TestSupport
import Testing

@testable import LedgerArchive

/// Tests here start a real etcd and a real service, one after the other.
@Suite("An archive of a ledger in etcd", .serialized)
struct ArchiverTests {
    @Test(
        "at every size it is a whole log, made of the objects that ledgerctl makes of the same ledger"
    )
    func wholeLogs() async throws {
        try await ArchiveBench.with(events: 4_400) { bench, ledger in
            let archiver = bench.archiver(bench.objects)
            await bench.round(archiver)
            #expect(try await bench.record() == nil, "nothing is signed yet")
            for size in [1, 255, 256, 257, 700, 4_095, 4_096, 4_400] {
                try await bench.publish(size)
                await bench.round(archiver)
                #expect(archiver.status.trouble == nil)
                #expect(try await bench.record()?.through.rawValue == UInt64(size))
                #expect(try await bench.faults() == [], "size \(size)")
            }
            #expect(archiver.status.lagEvents == 0)
            // Another one goes on where this one stopped, also in the middle of an ids segment.
            try await bench.seal(4_000, with: ledger)
            try await bench.publish(8_250)
            await bench.round(bench.archiver(bench.objects))
            #expect(try await bench.faults() == [])
            #expect(try await bench.record()?.through == 8_250)
            // And the first one after it.
            try await bench.publish(8_400)
            await bench.round(archiver)
            #expect(try await bench.faults() == [])
            #expect(try await bench.record()?.through == 8_400)
        }
    }

    @Test("partial objects go a while after the full ones are there, which hold what they held")
    func superseded() async throws {
        try await ArchiveBench.with(events: 600) { bench, _ in
            let archiver = bench.archiver(bench.objects)
            for size in [100, 300, 301, 600] {
                try await bench.publish(size)
                await bench.round(archiver)
            }
            let partials = { () async throws -> Set<String> in
                let names = try await bench.objects.list(prefix: "tile/", after: nil, limit: 1_000)
                return Set(names.map(\.text).filter { $0.contains(".p/") })
            }
            #expect(try await partials().contains("tile/entries/000.p/100"))
            let scan = ArchiveScan(objects: bench.objects, size: 100)
            let before = try await scan.chunk(0)
            bench.clock.advance(by: .milliseconds(601_000))
            await archiver.removeSuperseded()
            #expect(
                try await partials() == [
                    "tile/entries/002.p/88", "tile/0/002.p/88", "tile/1/000.p/1", "tile/1/000.p/2",
                ])
            // Who reads the log of 100 events goes on reading it.
            let after = try await scan.chunk(0)
            #expect(before.bundles == after.bundles && before.tiles == after.tiles)
            #expect(try await bench.faults() == [])
        }
    }

    @Test("of a log whose checkpoint another archiver has put back, no partial object is removed")
    func putBackWithPartials() async throws {
        try await ArchiveBench.with(events: 400) { bench, _ in
            let slow = PausingStore(around: bench.objects)
            let (late, archiver) = (bench.archiver(slow), bench.archiver(bench.objects))
            let partial = ArchiveNames.bundle(0, width: 200)
            // One is paused before its checkpoint of 200 events; the other puts that, and then a larger one.
            try await bench.publish(200)
            slow.pause(before: "checkpoint")
            async let paused: Void = bench.round(late)
            await slow.waitUntilPaused()
            for size in [200, 300] {
                try await bench.publish(size)
                await bench.round(archiver)
                #expect(try await bench.faults() == [])
            }
            slow.resume()
            await paused
            let onlySetBack = ["recorded through 300, the checkpoint says 200"]
            #expect(try await bench.faults() == onlySetBack)
            bench.clock.advance(by: .milliseconds(601_000))
            await archiver.removeSuperseded()
            #expect(try await bench.faults() == onlySetBack)
            // They go once the larger log is there again.
            await bench.round(archiver)
            #expect(try await bench.objects.read(partial, maximum: 1 << 20) != nil)
            bench.clock.advance(by: .milliseconds(601_000))
            await archiver.removeSuperseded()
            #expect(try await bench.objects.read(partial, maximum: 1 << 20) == nil)
            #expect(try await bench.faults() == [])
        }
    }

    @Test("a storage that fails in passing leaves a whole log at every step", arguments: 1...4)
    func passingFaults(seed: Int) async throws {
        try await ArchiveBench.with(events: 1_200) { bench, _ in
            let faults = LyingStore.Faults([
                .unavailable: 0.02, .lostAnswer: 0.02, .lostWrite: 0.05, .absent: 0.05,
                .truncated: 0.05, .flippedBit: 0.05, .old: 0.05,
            ])
            let lying = LyingStore(around: bench.objects, seed: UInt64(seed), faults: faults)
            let archiver = bench.archiver(lying)
            for size in [10, 256, 600, 1_200] {
                try await bench.publish(size)
                for _ in 0..<200 {
                    await bench.round(archiver)
                    let record = try await bench.record()
                    if record != nil { #expect(try await bench.faults() == [], "\(lying.note)") }
                    if record?.through.rawValue == UInt64(size) { break }
                }
                #expect(
                    try await bench.record()?.through.rawValue == UInt64(size), "\(lying.note)")
            }
        }
    }

    @Test("a storage that forgets what it says it has written is not believed")
    func forgetting() async throws {
        try await ArchiveBench.with(events: 300) { bench, _ in
            try await bench.publish(300)
            var faults = LyingStore.Faults([.lostWrite: 1])
            faults.prefix = "tile/1/"
            let lying = LyingStore(around: bench.objects, seed: 1, faults: faults)
            let archiver = bench.archiver(lying)
            await bench.round(archiver)
            #expect(archiver.status.trouble?.code == "not_kept")
            #expect(try await bench.record() == nil)
            #expect(try await bench.objects.read(ArchiveNames.checkpoint, maximum: 4_096) == nil)
            lying.faults = LyingStore.Faults()
            await bench.round(archiver)
            #expect(archiver.status.trouble == nil)
            #expect(try await bench.faults() == [])
        }
    }

    @Test("other bytes are never overwritten, and nothing is published over them")
    func otherBytes() async throws {
        try await ArchiveBench.with(events: 300) { bench, _ in
            let names = [
                ArchiveNames.bundle(0), ArchiveNames.tile(TileID(level: 0, index: 0)),
                ArchiveNames.tile(TileID(level: 1, index: 0), width: 1),
            ]
            try await bench.publish(300)
            for name in names {
                let other = Array("something else".utf8)
                try await bench.objects.replace(name, with: other)
                let archiver = bench.archiver(bench.objects)
                await bench.round(archiver)
                #expect(archiver.status.trouble?.code == "other_bytes")
                #expect(archiver.status.failures == 1)
                #expect(try await bench.objects.read(name, maximum: 4_096) == other)
                #expect(try await bench.record() == nil)
                #expect(
                    try await bench.objects.read(ArchiveNames.checkpoint, maximum: 4_096) == nil)
                try await bench.objects.remove(name)
            }
        }
    }

    @Test("another ledger's archive is left as it is")
    func foreign() async throws {
        try await ArchiveBench.with(events: 300) { bench, _ in
            let other = try NoteSigner(
                name: bench.signer.verifier.name, privateKey: Array(repeating: 1, count: 32))
            let foreign = try other.note(size: 20, root: .sha256([1])).encoded()
            let ownKey = try bench.signer.note(size: 20, root: .sha256([1])).encoded()
            try await bench.publish(300)
            for checkpoint in [foreign, ownKey, Array("nonsense".utf8)] {
                try await bench.objects.replace(ArchiveNames.checkpoint, with: checkpoint)
                let archiver = bench.archiver(bench.objects)
                await bench.round(archiver)
                #expect(archiver.status.trouble?.code == "not_this_ledgers")
                #expect(
                    try await bench.objects.read(ArchiveNames.checkpoint, maximum: 1 << 20)
                        == checkpoint)
                #expect(try await bench.record() == nil)
            }
        }
    }

    @Test("nothing is archived of a ledger that contradicts itself")
    func contradicted() async throws {
        try await ArchiveBench.with(events: 4_200) { bench, _ in
            try await bench.publish(4_200)
            let first = bench.stored.keys.block(.first)
            let segment = bench.stored.keys.ids(0)
            for key in [first, segment] {
                let right = try #require(try await bench.stored.value(key))
                // In a payload, or in a fingerprint.
                let place = right.firstRange(of: Array("payload of".utf8))?.lowerBound ?? 9
                try await bench.stored.change(key) { $0[place] ^= 1 }
                let archiver = bench.archiver(bench.objects)
                await bench.round(archiver)
                #expect(archiver.status.trouble?.code == "contradicted")
                #expect(try await bench.record() == nil)
                try await bench.stored.put(key, right)
            }
            await bench.round(bench.archiver(bench.objects))
            #expect(try await bench.faults() == [])
        }
    }

    @Test(
        "an event that only the tree contradicts is not archived, also where the archive has it as it was",
        arguments: [0, 300])
    func otherLeaf(there: Int) async throws {
        try await ArchiveBench.with(events: 300) { bench, ledger in
            // So a block ends with number 300: within a block each entry is linked to, but for the last.
            try await bench.seal(400, with: ledger)
            if there > 0 {
                try await bench.publish(there)
                await bench.round(bench.archiver(bench.objects))
                #expect(try await bench.record()?.through == SequenceNumber(UInt64(there)))
            }
            let block = try #require(try await bench.stored.blocks().last { $0.number <= 300 })
            let key = bench.stored.keys.block(SequenceNumber(block.number))
            let payload = try #require(block.bytes.lastRange(of: Array("payload of".utf8)))
            try await bench.stored.change(key) { $0[payload.lowerBound] ^= 1 }
            try await bench.publish(600)
            let archiver = bench.archiver(bench.objects)
            await bench.round(archiver)
            #expect(archiver.status.trouble?.code == "contradicted")
            #expect(try await bench.record()?.through.rawValue ?? 0 == UInt64(there))
            #expect(try await bench.objects.read(ArchiveNames.bundle(1), maximum: 1 << 20) == nil)
            try await bench.stored.put(key, block.bytes)
            await bench.round(archiver)
            #expect(archiver.status.trouble == nil)
            #expect(try await bench.faults() == [])
            #expect(try await bench.record()?.through == 600)
        }
    }

    @Test("a ledger that is archived elsewhere is not archived here")
    func otherLocation() async throws {
        try await ArchiveBench.with(events: 300) { bench, _ in
            try await bench.publish(300)
            let record = try ArchiveRecord(location: "s3://elsewhere", through: 100)
            _ = await bench.store.putArchive(record, replacing: nil, timeout: .seconds(10))
            #expect(try await bench.record() == record)
            let archiver = bench.archiver(bench.objects)
            await bench.round(archiver)
            #expect(archiver.status.trouble?.code == "other_location")
            #expect(try await bench.record() == record)
            #expect(try await bench.objects.list(prefix: "", after: nil, limit: 9).isEmpty)
        }
    }

    @Test("a fenced replica archives nothing")
    func fenced() async throws {
        try await ArchiveBench.with(events: 300) { bench, _ in
            try await bench.publish(300)
            bench.isFenced = true
            await bench.round(bench.archiver(bench.objects))
            #expect(try await bench.objects.list(prefix: "", after: nil, limit: 9).isEmpty)
            #expect(try await bench.record() == nil)
        }
    }

    @Test("what an archive has lost is written again, while etcd has it")
    func lost() async throws {
        try await ArchiveBench.with(events: 9_000) { bench, _ in
            let archiver = bench.archiver(bench.objects)
            try await bench.publish(8_700)
            await bench.round(archiver)
            try bench.empty()
            try await bench.publish(9_000)
            await bench.round(archiver)
            #expect(try await bench.faults() == [])
            // What has left etcd nobody can write again.
            let trimmed = try ArchiveRecord(
                location: bench.objects.location, through: 9_000, trimmed: 4_096)
            try await bench.stored.put(bench.stored.keys.archive, trimmed.encodedJSON())
            try await bench.objects.remove(ArchiveNames.checkpoint)
            await bench.round(archiver)
            #expect(archiver.status.trouble?.code == "not_this_ledgers")
            #expect(try await bench.objects.read(ArchiveNames.checkpoint, maximum: 4_096) == nil)
        }
    }

    @Test("two at once, and one that was paused while the other went on, do no harm")
    func two() async throws {
        try await ArchiveBench.with(events: 4_300) { bench, _ in
            try await bench.publish(4_000)
            let slow = PausingStore(around: bench.objects)
            let (first, second) = (bench.archiver(slow), bench.archiver(bench.objects))
            async let one: Void = bench.round(first)
            async let other: Void = bench.round(second)
            _ = await (one, other)
            #expect(try await bench.faults() == [])
            // Paused in the middle of its objects, just before the checkpoint, and after it.
            for (size, pause) in [
                (4_100, "tile/entries/"), (4_200, "checkpoint"), (4_300, "tile/0/"),
            ] {
                try await bench.publish(size - 50)
                slow.pause(before: pause)
                async let paused: Void = bench.round(first)
                await slow.waitUntilPaused()
                try await bench.publish(size)
                await bench.round(second)
                #expect(try await bench.record()?.through.rawValue == UInt64(size))
                slow.resume()
                await paused
                #expect(try await bench.record()?.through.rawValue == UInt64(size))
                let there = try await bench.checkpoint(bench.objects).read()?.checkpoint.size
                if pause != "checkpoint" { #expect(there == UInt64(size), "\(pause)") }
                // Who was paused between its look at the checkpoint and its own may have put the smaller one: the next
                // round of anybody mends that.
                await bench.round(second)
                await bench.round(first)
                #expect(try await bench.faults() == [], "\(pause)")
            }
        }
    }

    @Test("a long round that fails goes on where it was, unless the storage was emptied meanwhile")
    func goesOn() async throws {
        try await ArchiveBench.with(events: 17_000) { bench, _ in
            try await bench.publish(17_000)
            let lying = LyingStore(around: bench.objects, seed: 1)
            let archiver = bench.archiver(lying)
            let written = { lying.calls.count { $0.name == "tile/entries/000" } }
            var faults = LyingStore.Faults([.unavailable: 1])
            faults.prefix = "tile/entries/066"
            for isEmptied in [false, true] {
                lying.faults = faults
                await bench.round(archiver)
                #expect(archiver.status.trouble?.code == "storage_unavailable")
                #expect(try await bench.record() == nil)
                #expect(written() == 2)
                if isEmptied { try bench.empty() }
            }
            lying.faults = LyingStore.Faults()
            await bench.round(archiver)
            #expect(archiver.status.trouble == nil)
            #expect(written() == 4)
            #expect(try await bench.faults() == [])
        }
    }

    @Test(
        "protocol.md 26: a smaller checkpoint, put back by who was paused, is mended out of the archive itself"
    )
    func putBack() async throws {
        try await ArchiveBench.with(events: 9_000) { bench, _ in
            for size in [2_000, 8_900] {
                try await bench.publish(size)
                await bench.round(bench.archiver(bench.objects))
            }
            try await bench.trim(to: 8_192)
            let small = try bench.note(2_000).encoded()
            try await bench.objects.replace(ArchiveNames.checkpoint, with: small)
            try await bench.publish(9_000)
            let reader = bench.reader(bench.objects, cacheBytes: 0)
            let store = bench.store(archived: reader)
            let tree = bench.tree(of: store)
            reader.check(with: tree) { bench.digest(ofSegment: $0) }
            let archiver = bench.archiver(bench.objects, store: store)
            await bench.round(archiver)
            #expect(archiver.status.trouble == nil)
            #expect(try await bench.faults() == [])
            #expect(try await bench.record()?.through == 9_000)
            // What is in neither of the two is lost, and nothing is published over it.
            try await bench.objects.replace(ArchiveNames.checkpoint, with: small)
            try await bench.objects.remove(ArchiveNames.bundle(10))
            await bench.round(bench.archiver(bench.objects, store: store))
            await bench.round(archiver)
            #expect(archiver.status.trouble?.code == "not_this_ledgers")
            #expect(
                try await bench.objects.read(ArchiveNames.checkpoint, maximum: 4_096) == small)
            withExtendedLifetime(tree) {}
        }
    }
}
