import LedgerCore
import Testing

@Suite("Block")
struct BlockTests {
    private func value() throws -> [UInt8] {
        unhex(try Vectors.decode(Vectors.Block.self, "block.json").valueHex)
    }

    @Test("the block of the vectors decodes to their first three entries and back")
    func vector() throws {
        let value = try value()
        let block = try Block(decoding: value, firstNumber: 1)
        #expect(block.lastNumber == 3)
        #expect(block.encoded() == value)
        let events = try Vectors.events().prefix(3)
        #expect(block.entries.map { Hex.encode(Array($0)) } == events.map(\.entryHex))
        #expect(block.entry(2).map { Hex.encode(Array($0)) } == events[1].entryHex)
        #expect(block.entry(.zero) == nil)
        #expect(block.entry(4) == nil)
        #expect(block.entry(SequenceNumber(.max)) == nil)

        let links = try Block.decodeChain(value, first: 1)
        #expect(links.map(\.eventHash.hex) == events.map(\.eventHash))
        #expect(links.map(\.leafHash.hex) == events.map(\.leafHash))
    }

    @Test("an empty or cut block, and one with bytes behind it, is refused")
    func notWhole() throws {
        let value = try value()
        #expect(throws: FormatError.self) { try Block(decoding: [], firstNumber: 1) }
        #expect(throws: FormatError.self) {
            try Block(decoding: Array(value.dropLast()), firstNumber: 1)
        }
        #expect(throws: FormatError.self) { try Block(decoding: value + [0], firstNumber: 1) }
        let error = #expect(throws: FormatError.self) {
            try Block.decodeChain(value + [0, 9], first: 1)
        }
        #expect(error?.sequenceNumber == 4)
    }

    @Test("more than 1,024 entries or 1 MiB of entries is refused")
    func limits() throws {
        func block(_ count: Int, of length: Int) -> [UInt8] {
            var value: [UInt8] = []
            for _ in 0..<count {
                Block.append(Array(repeating: 0, count: length), to: &value)
            }
            return value
        }
        #expect(try Block(decoding: block(1024, of: 1024), firstNumber: 1).entries.count == 1024)
        #expect(throws: FormatError.self) {
            try Block(decoding: block(1025, of: 10), firstNumber: 1)
        }
        #expect(try Block(decoding: block(16, of: 65_535), firstNumber: 1).entries.count == 16)
        #expect(throws: FormatError.self) {
            try Block(decoding: block(16, of: 65_535) + block(1, of: 17), firstNumber: 1)
        }
    }

    @Test("a broken chain names the first number whose bytes do not match")
    func chain() throws {
        let ledger = try TestLedger(blocks: [4])
        let value = try #require(ledger.blocks[1])
        #expect(try Block.decodeChain(value, first: 1).count == 4)

        func failure(_ change: (inout [[UInt8]]) -> Void) throws -> FormatError {
            var entries = ledger.entries
            change(&entries)
            var value: [UInt8] = []
            for entry in entries { Block.append(entry, to: &value) }
            return try #require(throws: FormatError.self) {
                try Block.decodeChain(value, first: 1)
            }
        }
        let payload = try failure { $0[1][$0[1].count - 50] ^= 1 }
        #expect(payload.sequenceNumber == 2)
        #expect(payload.code == .linkBroken)
        let magic = try failure { $0[2][0] ^= 1 }
        #expect(magic.sequenceNumber == 3)
        #expect(magic.code == .wrongFormat)
        let number = try failure { $0[3][11] ^= 1 }
        #expect(number.sequenceNumber == 4)
        #expect(number.code == .wrongNumber)
        let time = try failure { $0[3][$0[3].count - 40] ^= 0x80 }
        #expect(time.sequenceNumber == 4)
        #expect(time.code == .timestampBackwards)
        #expect(throws: FormatError.self) { try Block.decodeChain(value, first: 2) }
    }

    @Test("changed blocks never trap")
    func mutations() throws {
        let value = try value()
        withSeed { generator in
            for _ in 0..<5000 {
                let changed = generator.mutated(value)
                if let block = try? Block(decoding: changed, firstNumber: 1) {
                    #expect(block.encoded() == changed)
                }
                if (try? Block.decodeChain(changed, first: 1)) != nil {
                    // Only the last event can change unseen by the others.
                    #expect((try? Block(decoding: changed, firstNumber: 1)) != nil)
                }
            }
        }
    }
}
