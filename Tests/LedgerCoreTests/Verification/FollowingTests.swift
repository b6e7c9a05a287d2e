import LedgerCore
import TestSupport
import Testing

/// Going on with what is sealed after a run: nothing is looked at twice, and nothing is left out.
@Suite("LedgerVerifier, following")
struct FollowingTests {
    private func expectFinding(
        _ verifier: LedgerVerifier, _ kind: FindingKind, at number: SequenceNumber,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(verifier.finding?.kind == kind, sourceLocation: sourceLocation)
        #expect(verifier.finding?.sequenceNumber == number, sourceLocation: sourceLocation)
    }

    @Test("an untouched ledger is valid at every head that it ever had")
    func valid() throws {
        try withSeed { generator in
            for _ in 0..<8 {
                let sizes = (0..<Int.random(in: 2...40, using: &generator)).map { _ in
                    Int.random(in: 1...300, using: &generator)
                }
                let ledger = try TestLedger(blocks: sizes)
                var ends: [UInt64] = []
                for size in sizes { ends.append((ends.last ?? 0) + UInt64(size)) }
                let seen = ends.dropLast().filter { _ in Bool.random(using: &generator) }
                let heads = try (seen + [ends[ends.count - 1]]).map { try ledger.head(after: $0) }
                let verifier = ledger.follow(heads)
                #expect(verifier.finding == nil, "\(sizes), \(seen)")
                #expect(verifier.eventsVerified == ends.last)
                #expect(verifier.position == ledger.head.sequence.next)
            }
        }
    }

    @Test(
        "a leaf is compared with its tile when that is full, however early it was looked at")
    func tileThatBecomesFull() throws {
        let ledger = try TestLedger(blocks: [100, 100, 100, 100, 112, 100])
        let heads = try [100, 200, 300, 612].map { try ledger.head(after: $0) }
        #expect(ledger.follow(heads).finding == nil)
        for number: UInt64 in [1, 5, 100, 101, 200, 201, 256] {
            var changed = ledger
            changed.tiles[TileID(level: 0, index: 0)]?[Int(number - 1) * 32] ^= 1
            #expect(changed.follow(Array(heads[..<2])).finding == nil)
            expectFinding(changed.follow(heads), .tileMismatch, at: SequenceNumber(number))
        }
        var changed = ledger
        changed.tiles[TileID(level: 0, index: 1)]?[10 * 32] ^= 1
        expectFinding(changed.follow(heads), .tileMismatch, at: 267)
        changed.tiles[TileID(level: 0, index: 1)] = nil
        expectFinding(changed.follow(heads), .tileMismatch, at: 301)
    }

    @Test("a fingerprint and a block's start are compared with their segment when that is full")
    func segmentThatBecomesFull() throws {
        let ledger = try TestLedger(blocks: [1000, 1000, 1000, 1000, 400])
        let heads = try [1000, 4000, 4400].map { try ledger.head(after: $0) }
        #expect(ledger.follow(heads).finding == nil)
        for number: UInt64 in [1, 77, 1000, 1001, 4000, 4001, 4096] {
            var changed = ledger
            changed.segments[0]?[Int(number - 1) * 8] ^= 1
            expectFinding(changed.follow(heads), .idsMismatch, at: SequenceNumber(number))
            changed = ledger
            changed.segments[0]?[32_768 + Int(number - 1) / 8] ^= 1 << UInt8((number - 1) % 8)
            expectFinding(changed.follow(heads), .idsMismatch, at: SequenceNumber(number))
        }
    }

    @Test("a tile of level 1 is compared with the roots that were computed before it was full")
    func higherTileThatBecomesFull() throws {
        let ledger = try TestLedger(blocks: Array(repeating: 1024, count: 64) + [10])
        let heads = try [1024, 65_000 / 1024 * 1024, 65_546].map { try ledger.head(after: $0) }
        #expect(ledger.follow(heads).finding == nil)
        for position in [0, 3, 100, 252, 255] {
            var changed = ledger
            changed.tiles[TileID(level: 1, index: 0)]?[position * 32] ^= 1
            expectFinding(
                changed.follow(heads), .tileMismatch, at: SequenceNumber(UInt64(position * 256 + 1))
            )
        }
    }

    @Test("the next event must continue what was verified, and every head its own tree")
    func chainAndHeads() throws {
        let ledger = try TestLedger(blocks: [10, 20, 30])
        let heads = try [10, 30, 60].map { try ledger.head(after: $0) }
        var changed = ledger
        changed.alter(11) { $0[$0.count - 1] ^= 1 }
        expectFinding(changed.follow(heads), .linkBroken, at: 10)
        let other = Head(
            sequence: 30, eventHash: heads[1].eventHash, sealedTimestamp: heads[1].sealedTimestamp,
            tree: try MerkleFrontier(
                size: 30, hashes: [.zero] + Array(heads[1].tree.hashes.dropFirst())))
        expectFinding(ledger.follow([heads[0], other]), .headMismatch, at: 1)
        let forked = Head(
            sequence: 10, eventHash: .zero, sealedTimestamp: heads[0].sealedTimestamp,
            tree: heads[0].tree)
        expectFinding(ledger.follow([heads[0], forked]), .headMismatch, at: 10)
        changed = ledger
        changed.blocks[11] = nil
        expectFinding(changed.follow(heads), .blockMissing, at: 11)
    }

    @Test("a checkpoint that is put later is compared where its size is reached, at once too")
    func checkpoints() throws {
        let ledger = try TestLedger(blocks: [10, 20, 30])
        let heads = try [10, 30, 60].map { try ledger.head(after: $0) }
        for size: UInt64 in [10, 17, 30] {
            let root = MerkleTree.root(of: Array(ledger.leaves[..<Int(size)]))
            let right = Checkpoint(origin: "o", size: size, root: root)
            #expect(ledger.follow(heads, checkpoints: [30: .made(right)]).finding == nil)
            let wrong = Checkpoint(origin: "o", size: size, root: .zero)
            expectFinding(
                ledger.follow(heads, checkpoints: [30: .made(wrong)]), .checkpointMismatch, at: 1)
        }
        let beyond = Checkpoint(origin: "o", size: 61, root: .zero)
        expectFinding(
            ledger.follow(heads, checkpoints: [60: .made(beyond)]), .checkpointMismatch, at: 61)
    }
}
