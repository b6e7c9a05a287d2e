import LedgerCore
import TestSupport
import Testing

/// Runs that go on where only tiles, ids or the checkpoint are wrong.
@Suite("LedgerVerifier, passing records")
struct PassedRecordsTests {
    private func run(_ ledger: TestLedger) throws -> (passed: [String], end: String?) {
        var verifier = try ledger.verify(passesRecords: true)
        func name(_ finding: VerificationFinding) -> String {
            "\(finding.kind.rawValue) \(finding.sequenceNumber)"
        }
        return (verifier.takePassed().map(name), verifier.finding.map(name))
    }

    @Test("a tile of level 1 that is missing, altered or none hides no event below it")
    func higherTile() throws {
        let ledger = try TestLedger(blocks: Array(repeating: 1024, count: 64) + [10])
        let id = TileID(level: 1, index: 0)
        for value in [nil, [1, 2, 3]] as [[UInt8]?] {
            var changed = ledger
            changed.tiles[id] = value
            changed.alter(40_000) { $0[$0.count - 1] ^= 1 }
            var (passed, end) = try run(changed)
            #expect(passed == ["tile_mismatch 1"])
            #expect(end == "link_broken 39999")
            changed = ledger
            changed.tiles[id] = value
            (passed, end) = try run(changed)
            #expect(passed == ["tile_mismatch 1"])
            #expect(end == nil)
        }
        var changed = ledger
        changed.tiles[id]?[3 * 32] ^= 1
        changed.tiles[id]?[200 * 32] ^= 1
        let (passed, end) = try run(changed)
        #expect(passed == ["tile_mismatch 769", "tile_mismatch 51201"])
        #expect(end == nil)
    }

    @Test("of a record that is wrong altogether the first is told in each tile")
    func wholeRecord() throws {
        let ledger = try TestLedger(blocks: [1000, 1000, 1000, 1000, 400])
        var changed = ledger
        let tile = TileID(level: 0, index: 2)
        changed.tiles[tile] = changed.tiles[tile]?.map { $0 ^ 1 }
        var (passed, end) = try run(changed)
        #expect(passed == ["tile_mismatch 513"])
        #expect(end == nil)
        changed = ledger
        changed.segments[0] = changed.segments[0]?.enumerated().map {
            $0.offset < 32_768 ? $0.element ^ 1 : $0.element
        }
        (passed, end) = try run(changed)
        #expect(passed == (0..<16).map { "ids_mismatch \($0 * 256 + 1)" })
        #expect(end == nil)
        changed.segments[0] = nil
        #expect(try run(changed).passed == ["ids_mismatch 1"])
    }

    @Test("an event that was forged with its chain is told by its tile, and by the head behind it")
    func forged() throws {
        var ledger = try TestLedger(blocks: [1000, 1000, 1000, 1000, 400])
        try ledger.forge(3000, payload: [1])
        let (passed, end) = try run(ledger)
        // Everything behind it has another previous hash; the last 48 events are in no full tile.
        #expect(
            passed == ["tile_mismatch 3000"] + (12...16).map { "tile_mismatch \($0 * 256 + 1)" })
        #expect(end == "head_mismatch 3001")
    }

    @Test("a checkpoint of another tree is told, and what is wrong behind it too")
    func checkpoint() throws {
        var ledger = try TestLedger(blocks: [1000, 1000, 1000, 1000, 400])
        ledger.checkpoint = .made(Checkpoint(origin: "o", size: 3500, root: .zero))
        #expect(try run(ledger) == (["checkpoint_mismatch 1"], nil))
        ledger.alter(3600) { $0[$0.count - 50] ^= 1 }
        #expect(try run(ledger) == (["checkpoint_mismatch 1"], "link_broken 3600"))
        #expect(try ledger.verify().finding?.kind == .checkpointMismatch)
    }
}
