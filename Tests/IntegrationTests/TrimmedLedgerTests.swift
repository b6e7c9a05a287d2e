import EtcdGateway
import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// A ledger whose older half has left etcd: for callers nothing is different.
    @Suite("A trimmed ledger", .serialized)
    struct TrimmedLedgerTests {
        /// So many events are sealed: 8,192 stay at least, so that two ids segments can go.
        private static let count = 17_000
        private static let trimmed = 8_192

        /// Runs a test with a ledger of which `trimmed` events have left etcd.
        private func withTrimmed(
            _ changes: [String: String] = [:],
            _ body: (LedgerFixture, ArchiveFolder, SigningKeyFile, [Ledger_SealedEvent])
                async throws
                -> Void
        ) async throws {
            let key = try SigningKeyFile(seed: 41)
            let folder = try ArchiveFolder()
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = ArchiveTests.patience.merging([
                "LEDGER_SIGNING_KEY": key.path, "LEDGER_ARCHIVE": folder.setting,
                "LEDGER_ARCHIVE_INTERVAL": "2", "LEDGER_ARCHIVE_RETAIN_EVENTS": "8192",
                "LEDGER_FOLLOW_BYTES": "0",
            ]) { $1 }.merging(changes) { $1 }
            try await withLedger(on: cluster, settings: settings) { ledger in
                var sealed: [Ledger_SealedEvent] = []
                for part in 0..<17 {
                    let events = Ledger_CertifiedEvent.samples("t\(part)", count: Self.count / 17)
                    sealed += try await ledger.calls.submitStream(events).compactMap(\.event)
                }
                #expect(sealed.count == Self.count)
                try await waitUntilTrimmed(ledger)
                try await body(ledger, folder, key, sealed)
            }
        }

        /// Until nothing at or below `trimmed` is in etcd any more.
        private func waitUntilTrimmed(_ ledger: LedgerFixture) async throws {
            try await withKeys(of: ledger) { stored in
                try await eventually("old events have left etcd", within: .seconds(120)) {
                    let first = try await stored.blocks().first?.number ?? 0
                    // Keys go in this order.
                    let last = stored.keys.tile(TileID(level: 0, index: 31))
                    let isGone = try await stored.value(last) == nil
                    return first > UInt64(Self.trimmed) - 1_024 && isGone
                }
                #expect(try await stored.value(stored.keys.format) == Array("2".utf8))
                #expect(
                    try await stored.value(stored.keys.tile(TileID(level: 0, index: 3))) == nil)
                #expect(
                    try await stored.value(stored.keys.tile(TileID(level: 0, index: 40))) != nil)
            }
        }

        /// The numbers that are looked at: the first ones, the last that has left, and those around every border.
        private static let numbers: [UInt64] = [
            1, 2, 255, 256, 257, 4_095, 4_096, 4_097, 5_000, 8_191, 8_192, 8_193, 8_448, 12_288,
            17_000,
        ]

        /// Everything that a caller can ask of old events.
        private func expectWhole(
            _ ledger: LedgerFixture, _ key: SigningKeyFile, _ sealed: [Ledger_SealedEvent]
        ) async throws {
            let calls = ledger.calls
            for number in Self.numbers {
                let original = sealed[Int(number) - 1]
                let event = try await calls.event(number)
                #expect(event.eventHash == original.eventHash && event.payload == original.payload)
                #expect(
                    try await calls.event(id: original.eventID).sequenceNumber == number)
                let again = await calls.submit(.sample(original.eventID))
                #expect(again.isDuplicate, "\(number): \(again)")
                let receipt = try await calls.receipt(of: number, waitMilliseconds: 5_000)
                let proof = try Receipt(parsing: Array(receipt.receipt.utf8))
                _ = try proof.verify(entry: Array(receipt.entry), with: key.signer.verifier)
                let inclusion = try await calls.inclusion(of: number, size: 17_000)
                #expect(inclusion.leafHash.count == 32)
            }
            #expect(await calls.submit(.sample("never-sealed-\(UUID())")).isSealed)
            let listed = try await calls.events(first: 1, last: UInt64(sealed.count))
            #expect(listed.map(\.eventHash) == sealed.map(\.eventHash))
            let across = try await calls.events(first: 8_100, last: 8_300)
            #expect(across.map(\.eventHash) == sealed[8_099..<8_300].map(\.eventHash))
            for (first, second) in [(1, 17_000), (256, 4_097), (8_192, 8_193), (5_000, 12_000)] {
                _ = try await calls.consistency(from: UInt64(first), to: UInt64(second))
            }
            let verified = try await calls.verify()
            #expect(verified.valid, "\(verified)")
            #expect(verified.eventsVerified >= UInt64(sealed.count))
        }

        @Test(
            "reads, lists, proofs, receipts, verification and duplicates are as before; a restart too"
        )
        func unchanged() async throws {
            try await withTrimmed { ledger, folder, key, sealed in
                try await expectWhole(ledger, key, sealed)
                try await folder.verify(
                    key: key.signer.verifier.verifierKey, sizeAtLeast: Self.count)
                await ledger.process.kill()
                try await ledger.another().use { again in
                    try await expectWhole(again, key, sealed)
                    let metrics = try await again.process.metrics()
                    #expect(metrics["ledger_archive_trimmed"] ?? 0 >= Double(Self.trimmed))
                    #expect(metrics["ledger_archive_contradictions_total"] == 0)
                }
            }
        }

        @Test("a follower from the first event on sees all of them, and what is sealed next")
        func follows() async throws {
            try await withTrimmed { ledger, _, _, sealed in
                async let seen = ledger.calls.follow(count: Self.count + 3)
                try await ledger.seal("next", 3)
                let followed = try await seen
                #expect(
                    followed.prefix(Self.count).map(\.eventHash) == sealed.map(\.eventHash))
            }
        }

        @Test(
            "a wrong or missing object of the archive is never handed out, and says nothing against the ledger"
        )
        func lies() async throws {
            try await withTrimmed(["LEDGER_CACHE_BYTES": "0"]) { ledger, folder, key, sealed in
                let name = "tile/entries/003"
                let right = try Data(contentsOf: folder.file(name))
                for wrong in [right.dropLast(), Data(right.reversed()), Data()] {
                    try wrong.write(to: folder.file(name), options: .atomic)
                    do {
                        _ = try await ledger.calls.event(800)
                        Issue.record("a wrong object was believed")
                    } catch let failure as CallFailure {
                        #expect(failure.code == .unavailable, "\(failure)")
                    }
                    // In a block that has nothing of that bundle.
                    #expect(try await ledger.calls.event(5_000).sequenceNumber == 5_000)
                    #expect(try await ledger.calls.healthCheck().healthy)
                }
                try FileManager.default.removeItem(at: folder.file(name))
                await #expect(throws: CallFailure.self) { try await ledger.calls.event(800) }
                #expect(
                    try await ledger.process.metric("ledger_archive_contradictions_total") >= 8)
                try right.write(to: folder.file(name), options: .atomic)
                #expect(try await ledger.calls.event(800).eventHash == sealed[799].eventHash)
            }
        }

        @Test("without LEDGER_ARCHIVE a trimmed ledger is not served, and the log says what to set")
        func refused() async throws {
            try await withTrimmed { ledger, folder, _, _ in
                await ledger.process.kill()
                let settings = ledger.settings.merging([
                    "LEDGER_ARCHIVE": "", "LEDGER_ARCHIVE_RETAIN_EVENTS": "",
                    "LEDGER_ARCHIVE_INTERVAL": "",
                ]) { $1 }
                let process = try LedgerProcess(on: ledger.cluster, settings: settings)
                do {
                    try await eventually("the log says what to set", within: .seconds(60)) {
                        process.log.contains("set LEDGER_ARCHIVE to it")
                    }
                    let admin = try await process.adminPort()
                    #expect(try await LoopbackHTTP.status(port: admin, path: "/readyz") == 503)
                    #expect(process.log.contains(folder.setting))
                } catch {
                    await process.kill()
                    throw error
                }
                await process.kill()
            }
        }

        @Test(
            "while the archive is away nothing is trimmed, old events are unavailable and new ones are sealed"
        )
        func away() async throws {
            try await withTrimmed(["LEDGER_CACHE_BYTES": "0"]) { ledger, folder, _, sealed in
                try folder.setReachable(false)
                let events = Ledger_CertifiedEvent.samples("away", count: 5_000)
                let answers = try await ledger.calls.submitStream(events)
                #expect(answers.allSatisfy { $0.isSealed })
                do {
                    _ = try await ledger.calls.event(300)
                    Issue.record("an event that is in the archive alone was read without it")
                } catch let failure as CallFailure {
                    #expect(failure.code == .unavailable, "\(failure)")
                }
                #expect(try await ledger.calls.event(16_000).eventHash == sealed[15_999].eventHash)
                try await eventually("health says so") {
                    try await ledger.calls.detailedHealth().status == .degraded
                }
                try await withKeys(of: ledger) { stored in
                    let bytes = try #require(try await stored.value(stored.keys.archive))
                    #expect(
                        try ArchiveRecord(decodingJSON: bytes).trimmed.rawValue
                            == UInt64(Self.trimmed))
                    try folder.setReachable(true)
                    try await eventually("it is trimmed further", within: .seconds(120)) {
                        let now = try #require(try await stored.value(stored.keys.archive))
                        return try ArchiveRecord(decodingJSON: now).trimmed.rawValue
                            > UInt64(Self.trimmed)
                    }
                }
                #expect(try await ledger.calls.event(300).eventHash == sealed[299].eventHash)
            }
        }
    }
}
