import LedgerCore
import TestSupport

/// A way of changing a stored ledger of 4,300 events in blocks of at most 150, and what is found then.
struct AuditedWay {
    let what: String
    /// nil: nothing is wrong.
    let kind: String?
    let number: UInt64
    let change: (StoredLedger) async throws -> Void

    private init(
        _ what: String, _ kind: String?, at number: UInt64 = 0,
        _ change: @escaping (StoredLedger) async throws -> Void
    ) {
        self.what = what
        self.kind = kind
        self.number = number
        self.change = change
    }

    static func all(of ledger: StoredLedger) async throws -> [AuditedWay] {
        let blocks = try await ledger.blocks().map { try Block($0) }
        guard
            let middle = blocks.dropFirst(blocks.count / 2).first(where: { $0.entries.count > 5 }),
            let last = blocks.last
        else { throw TestFailure("no block to change") }
        return [AuditedWay("nothing", nil) { _ in }] + ofEvents(middle) + ofEnd(last)
            + ofRecords() + (try ofCheckpoint())
    }

    // MARK: Events

    private static func ofEvents(_ block: Block) -> [AuditedWay] {
        // The third event of the block.
        let number = block.firstNumber.rawValue + 2
        func way(
            _ what: String, _ kind: String, at number: UInt64,
            _ change: @escaping (inout [[UInt8]]) -> Void
        ) -> AuditedWay {
            AuditedWay(what, kind, at: number) { ledger in
                var entries = block.entries.map { Array($0) }
                change(&entries)
                try await ledger.put(ledger.keys.block(block.firstNumber), encoded(entries))
            }
        }
        return [
            way("a byte of a payload", "link_broken", at: number) { $0[2] = forged($0[2]) },
            way("a deleted event", "wrong_number", at: number) { $0.remove(at: 2) },
            way("an inserted event", "link_broken", at: number) { $0.insert(forged($0[2]), at: 2) },
            way("reordered events", "wrong_number", at: number) { $0.swapAt(2, 3) },
            way("a renumbered event", "wrong_number", at: number) { $0[2][11] ^= 1 },
            way("a duplicated event", "wrong_number", at: number + 1) { $0.insert($0[2], at: 3) },
            AuditedWay("a deleted block", "block_missing", at: block.firstNumber.rawValue) {
                try await $0.delete($0.keys.block(block.firstNumber))
            },
        ]
    }

    private static func ofEnd(_ block: Block) -> [AuditedWay] {
        let end = block.lastNumber.rawValue
        return [
            AuditedWay("truncated events", "block_missing", at: end) { ledger in
                let entries = block.entries.dropLast().map { Array($0) }
                if entries.isEmpty {
                    try await ledger.delete(ledger.keys.block(block.firstNumber))
                } else {
                    try await ledger.put(ledger.keys.block(block.firstNumber), encoded(entries))
                }
            },
            head("a forked head", at: end) { head throws in
                Head(
                    sequence: head.sequence, eventHash: .sha256([1]),
                    sealedTimestamp: head.sealedTimestamp, tree: head.tree)
            },
            // 4,300 = 4,096 + 128 and more.
            head("a foreign frontier", at: 4_097) { head throws in
                var hashes = head.tree.hashes
                hashes[1] = .sha256([1])
                return Head(
                    sequence: head.sequence, eventHash: head.eventHash,
                    sealedTimestamp: head.sealedTimestamp,
                    tree: try MerkleFrontier(size: head.tree.size, hashes: hashes))
            },
            AuditedWay("an event beyond the head", "beyond_head", at: end + 1) { ledger in
                try await ledger.put(
                    ledger.keys.block(SequenceNumber(end + 1)), block.encoded())
            },
        ]
    }

    private static func head(
        _ what: String, at number: UInt64, _ change: @escaping (Head) throws -> Head
    ) -> AuditedWay {
        AuditedWay(what, "head_mismatch", at: number) { ledger in
            guard let stored = try await ledger.value(ledger.keys.head) else {
                throw TestFailure("no head")
            }
            let head = try change(try Head(decodingJSON: stored))
            try await ledger.put(ledger.keys.head, head.encodedJSON())
        }
    }

    /// Another payload under the same number, linked to the event before.
    private static func forged(_ entry: [UInt8]) -> [UInt8] {
        var entry = entry
        if let payload = entry.firstRange(of: Array("payload of".utf8)) {
            entry[payload.lowerBound] ^= 1
        }
        return entry
    }

    private static func encoded(_ entries: [[UInt8]]) -> [UInt8] {
        var bytes: [UInt8] = []
        for entry in entries { Block.append(entry, to: &bytes) }
        return bytes
    }

    // MARK: What is said of events

    private static func ofRecords() -> [AuditedWay] {
        [
            AuditedWay("a changed tile", "tile_mismatch", at: 3 * 256 + 11) {
                try await $0.change($0.keys.tile(TileID(level: 0, index: 3))) { $0[32 * 10] ^= 1 }
            },
            AuditedWay("a deleted tile", "tile_mismatch", at: 5 * 256 + 1) {
                try await $0.delete($0.keys.tile(TileID(level: 0, index: 5)))
            },
            AuditedWay("a changed fingerprint", "ids_mismatch", at: 2_001) {
                try await $0.change($0.keys.ids(0)) { $0[8 * 2_000] ^= 1 }
            },
            AuditedWay("a changed block start", "ids_mismatch", at: 2_001) {
                try await $0.change($0.keys.ids(0)) { $0[32_768 + 2_000 / 8] ^= 1 }
            },
            AuditedWay("a deleted segment", "ids_mismatch", at: 1) {
                try await $0.delete($0.keys.ids(0))
            },
        ]
    }

    private static func ofCheckpoint() throws -> [AuditedWay] {
        func signer(_ byte: UInt8, _ name: String) throws -> NoteSigner {
            try NoteSigner(name: name, privateKey: Array(repeating: byte, count: 32))
        }
        let origin = "localhost/immutable-ledger"
        let (own, other) = (try signer(7, origin), try signer(8, origin))
        let foreign = try signer(7, "another.example.com/ledger")
        func note(_ what: String, at number: UInt64 = 1, _ bytes: [UInt8]) -> AuditedWay {
            AuditedWay(what, "checkpoint_mismatch", at: number) {
                try await $0.put($0.keys.checkpoint, bytes)
            }
        }
        return [
            AuditedWay("a forged checkpoint", "checkpoint_mismatch", at: 1) {
                try await $0.change($0.keys.checkpoint) { note in
                    // The first digit of the size: 3,300 events under the old signature.
                    if let size = note.firstRange(of: Array("\n4300\n".utf8)) {
                        note[size.lowerBound + 1] = UInt8(ascii: "3")
                    }
                }
            },
            AuditedWay("a checkpoint by another key", "checkpoint_mismatch", at: 1) { ledger in
                guard let stored = try await ledger.value(ledger.keys.head) else { return }
                let root = try Head(decodingJSON: stored).tree.root
                try await ledger.put(
                    ledger.keys.checkpoint, other.note(size: 4_300, root: root).encoded())
            },
            note(
                "another tree's checkpoint", try own.note(size: 4_000, root: .sha256([1])).encoded()
            ),
            note(
                "a checkpoint of more events", at: 4_301,
                try own.note(size: 5_000, root: .sha256([1])).encoded()),
            note("another origin's", try foreign.note(size: 9, root: .sha256([1])).encoded()),
            note("a checkpoint that is none", Array("no checkpoint".utf8)),
        ]
    }
}

extension Block {
    fileprivate init(_ stored: StoredLedger.StoredBlock) throws {
        try self.init(decoding: stored.bytes, firstNumber: SequenceNumber(stored.number))
    }
}
