import LedgerCore
import Testing

@Suite("LedgerKeys")
struct LedgerKeysTests {
    private let keys = LedgerKeys(prefix: "ledger/")

    private func text(_ key: [UInt8]) -> String { String(decoding: key, as: UTF8.self) }

    @Test("keys have the texts of formats.md")
    func texts() throws {
        #expect(text(keys.counter) == "ledger/sequence_counter")
        #expect(text(keys.head) == "ledger/head")
        #expect(text(keys.format) == "ledger/format")
        #expect(text(keys.sealer) == "ledger/sealer")
        #expect(text(keys.checkpoint) == "ledger/checkpoint")
        #expect(text(keys.block(1001)) == "ledger/events/00000000000000001001")
        #expect(text(keys.ids(7)) == "ledger/ids/00000000000000000007")
        #expect(
            text(keys.tile(TileID(level: 2, index: 12))) == "ledger/tiles/2/00000000000000000012")
        let block = try Vectors.decode(Vectors.Block.self, "block.json")
        #expect(text(LedgerKeys(prefix: "").block(1)) == block.key)
    }

    @Test("numbers are read back from keys, and from nothing else")
    func parsing() {
        #expect(keys.blockNumber(keys.block(1001)) == 1001)
        #expect(keys.segmentNumber(keys.ids(7)) == 7)
        let tile = TileID(level: 3, index: 12)
        #expect(keys.tileID(keys.tile(tile)) == tile)
        for text in [
            "ledger/events/1", "ledger/events/00000000000000000000",
            "ledger/events/09223372036854775808", "ledger/events/000000000000000000001",
            "ledger/events/0000000000000000000x", "other/events/00000000000000000001",
            "ledger/ids/00000000000000000001", "ledger/head", "",
        ] {
            #expect(keys.blockNumber(Array(text.utf8)) == nil, "\(text)")
        }
        for text in [
            "ledger/tiles/00000000000000000001", "ledger/tiles/8/00000000000000000001",
            "ledger/tiles/01/00000000000000000001", "ledger/tiles/0/1", "ledger/tiles//1",
        ] {
            #expect(keys.tileID(Array(text.utf8)) == nil, "\(text)")
        }
    }

    @Test("ranges hold exactly their keys")
    func ranges() {
        func holds(_ range: LedgerKeys.Range, _ key: [UInt8]) -> Bool {
            !key.lexicographicallyPrecedes(range.key)
                && key.lexicographicallyPrecedes(range.rangeEnd)
        }
        let last = SequenceNumber(1 << 63 - 1)
        #expect(holds(keys.allBlocks, keys.block(1)))
        #expect(holds(keys.allBlocks, keys.block(last)))
        #expect(!holds(keys.allBlocks, keys.ids(0)))
        #expect(!holds(keys.allBlocks, keys.head))
        #expect(holds(keys.blocks(from: 5), keys.block(5)))
        #expect(!holds(keys.blocks(from: 5), keys.block(4)))
        #expect(holds(keys.blocks(3...5), keys.block(5)))
        #expect(!holds(keys.blocks(3...5), keys.block(6)))
        #expect(holds(keys.segments(from: 2), keys.ids(2)))
        #expect(!holds(keys.segments(from: 2), keys.ids(1)))
        #expect(holds(keys.tiles(level: 1, from: 2), keys.tile(TileID(level: 1, index: 9))))
        #expect(!holds(keys.tiles(level: 1, from: 2), keys.tile(TileID(level: 1, index: 1))))
        #expect(!holds(keys.tiles(level: 1, from: 2), keys.tile(TileID(level: 2, index: 9))))
        for key in [keys.counter, keys.head, keys.block(last), keys.ids(0), keys.sealer] {
            #expect(holds(keys.everything, key))
        }
        #expect(keys.everything.rangeEnd == Array("ledger0".utf8))
        #expect(LedgerKeys(prefix: "").everything.rangeEnd == [0])
    }
}
