import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// What somebody with access to etcd changes is found, and named by number and kind.
    @Suite("Tampering", .serialized)
    struct TamperingTests {
        /// A change of one key, and what verifying must say of it.
        private struct Tampering {
            let what: String
            let key: [UInt8]
            /// nil deletes the key.
            let value: [UInt8]?
            let kinds: Set<String>
            let numbers: ClosedRange<UInt64>
            /// Whether reading that event must fail too.
            var isCorrupt = false
        }

        private static let count = 4_300

        @Test(
            "every change of the stored bytes is found by VerifyEvents, and by some reads"
        )
        func changes() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = [
                "LEDGER_CACHE_BYTES": "0", "LEDGER_FOLLOW_BYTES": "0",
                "LEDGER_MAX_BATCH_EVENTS": "150",
                "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
            ]
            try await withLedger(on: cluster, settings: settings) { ledger in
                let events = Ledger_CertifiedEvent.samples("t", count: Self.count, payloadBytes: 24)
                let answers = try await ledger.calls.submitStream(events)
                #expect(answers.count { $0.isSealed } == Self.count)
                try await withKeys(of: ledger) { stored in
                    for tampering in try await tamperings(stored) {
                        try await check(tampering, stored, ledger.calls)
                    }
                }
                let whole = try await ledger.calls.verify()
                #expect(whole.valid, "\(whole)")
            }
        }

        private func check(
            _ tampering: Tampering, _ stored: StoredLedger, _ calls: LedgerCalls
        ) async throws {
            let original = try await stored.value(tampering.key)
            if let value = tampering.value {
                try await stored.put(tampering.key, value)
            } else {
                try await stored.delete(tampering.key)
            }
            let found = try await calls.verify()
            let finding = found.firstFinding
            #expect(!found.valid, "\(tampering.what)")
            #expect(tampering.kinds.contains(finding.kind), "\(tampering.what): \(finding)")
            #expect(
                tampering.numbers.contains(finding.sequenceNumber), "\(tampering.what): \(finding)")
            if tampering.isCorrupt {
                let failure = await #expect(throws: CallFailure.self, "\(tampering.what)") {
                    try await calls.event(tampering.numbers.lowerBound)
                }
                #expect(failure?.code == .dataLoss && failure?.reason == "CORRUPT")
            }
            if tampering.numbers.lowerBound > 300 {
                let before = try await calls.verify(first: 1, last: 200)
                #expect(
                    before.valid && before.eventsVerified == 200, "\(tampering.what): \(before)")
            }
            if let original {
                try await stored.put(tampering.key, original)
            } else {
                try await stored.delete(tampering.key)
            }
        }

        // MARK: Changes

        private func tamperings(_ stored: StoredLedger) async throws -> [Tampering] {
            let blocks = try await stored.blocks()
            let middle = try #require(
                blocks.dropFirst(blocks.count / 2).first { block in
                    (try? Block(decoding: block.bytes, firstNumber: SequenceNumber(block.number)))
                        .map { $0.entries.count >= 4 } ?? false
                })
            let last = try #require(blocks.last)
            return try await changesOfBlock(middle, stored) + changesOfEnd(last, stored)
                + changesOfTilesAndIDs(stored)
        }

        private func changesOfBlock(
            _ stored: StoredLedger.StoredBlock, _ ledger: StoredLedger
        ) throws -> [Tampering] {
            let block = try Block(
                decoding: stored.bytes, firstNumber: SequenceNumber(stored.number))
            let key = ledger.keys.block(SequenceNumber(stored.number))
            let second = stored.number + 1
            let entry = block.entries[1]
            func changed(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
                var entries = block.entries.map { Array($0) }
                change(&entries[1])
                var bytes: [UInt8] = []
                for entry in entries { Block.append(entry, to: &bytes) }
                return bytes
            }
            let payload = try #require(entry.firstRange(of: Array("payload of".utf8)))
            let offset = payload.lowerBound - entry.startIndex
            return [
                Tampering(
                    what: "a payload changed", key: key, value: changed { $0[offset] ^= 1 },
                    kinds: ["link_broken"], numbers: second...second, isCorrupt: true),
                Tampering(
                    what: "a number changed", key: key, value: changed { $0[11] ^= 1 },
                    kinds: ["wrong_number"], numbers: second...second, isCorrupt: true),
                Tampering(
                    what: "a time moved back", key: key,
                    value: changed {
                        $0[$0.count - 40] = 0
                        $0[$0.count - 36] = 0
                    },
                    kinds: ["timestamp_backwards"], numbers: second...second, isCorrupt: true),
                Tampering(
                    what: "an entry's format changed", key: key, value: changed { $0[0] ^= 1 },
                    kinds: ["entry_malformed"], numbers: second...second, isCorrupt: true),
                Tampering(
                    what: "a block cut short", key: key, value: Array(stored.bytes.dropLast(3)),
                    kinds: ["entry_malformed"],
                    numbers: block.lastNumber.rawValue...block.lastNumber.rawValue),
                Tampering(
                    what: "a block deleted", key: key, value: nil, kinds: ["block_missing"],
                    numbers: stored.number...stored.number, isCorrupt: true),
                Tampering(
                    what: "a second block with the same events",
                    key: ledger.keys.block(SequenceNumber(second)),
                    value: Array(stored.bytes.dropFirst(2 + block.entries[0].count)),
                    kinds: ["block_overlap"], numbers: second...second),
            ]
        }

        private func changesOfEnd(
            _ last: StoredLedger.StoredBlock, _ ledger: StoredLedger
        ) throws -> [Tampering] {
            let end = UInt64(Self.count)
            var bytes = last.bytes
            let payload = try #require(bytes.lastRange(of: Array("payload of".utf8)))
            bytes[payload.lowerBound] ^= 1
            return [
                Tampering(
                    what: "the last event changed",
                    key: ledger.keys.block(SequenceNumber(last.number)), value: bytes,
                    kinds: ["head_mismatch"], numbers: end...end),
                Tampering(
                    what: "a block beyond the head",
                    key: ledger.keys.block(SequenceNumber(end + 1)), value: last.bytes,
                    kinds: ["beyond_head"], numbers: (end + 1)...(end + 1)),
            ]
        }

        private func changesOfTilesAndIDs(_ ledger: StoredLedger) async throws -> [Tampering] {
            let tile = ledger.keys.tile(TileID(level: 0, index: 3))
            var hashes = try #require(try await ledger.value(tile))
            hashes[32 * 10] ^= 1
            let ids = ledger.keys.ids(0)
            let segment = try #require(try await ledger.value(ids))
            var fingerprints = segment
            fingerprints[8 * 2_000] ^= 1
            var starts = segment
            starts[32_768 + 2_000 / 8] ^= 1
            let inTile: UInt64 = 3 * 256 + 1
            return [
                Tampering(
                    what: "a leaf in a tile changed", key: tile, value: hashes,
                    kinds: ["tile_mismatch"], numbers: (inTile + 10)...(inTile + 10)),
                Tampering(
                    what: "a tile deleted", key: tile, value: nil, kinds: ["tile_mismatch"],
                    numbers: inTile...(inTile + 255)),
                Tampering(
                    what: "a fingerprint changed", key: ids, value: fingerprints,
                    kinds: ["ids_mismatch"], numbers: 2_001...2_001),
                Tampering(
                    what: "a block start changed", key: ids, value: starts,
                    kinds: ["ids_mismatch"], numbers: 2_001...2_001),
                Tampering(
                    what: "a segment deleted", key: ids, value: nil, kinds: ["ids_mismatch"],
                    numbers: 1...4_096),
            ]
        }
    }
}
