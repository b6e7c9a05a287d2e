import LedgerCore
import Testing

@Suite("LedgerVerifier")
struct LedgerVerifierTests {
    /// 1,100 events: four full tiles and a part, blocks of many sizes.
    private static let sizes = [1, 3, 7, 200, 100, 1, 500, 88, 150, 50]

    /// 4,400 events: one full ids segment.
    private static let withSegment = [1000, 1000, 1000, 1000, 400]

    private func expectFinding(
        _ ledger: TestLedger, _ kind: FindingKind, at number: UInt64, _ first: UInt64 = 1,
        _ last: UInt64? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let verifier = try ledger.verify(first, last)
        #expect(verifier.finding?.kind == kind, sourceLocation: sourceLocation)
        #expect(
            verifier.finding?.sequenceNumber == SequenceNumber(number),
            sourceLocation: sourceLocation)
        #expect(
            verifier.eventsVerified <= SequenceNumber(first).distance(to: SequenceNumber(number)),
            sourceLocation: sourceLocation)
    }

    private func flip(_ bytes: inout [UInt8], _ index: Int) {
        bytes[index] ^= 1
    }

    @Test("an untouched ledger is valid, whole and in every kind of range")
    func valid() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for (first, last): (UInt64, UInt64) in [
            (1, 1100), (1, 1), (1, 256), (2, 2), (5, 9), (256, 257), (257, 512), (258, 1024),
            (300, 1100), (1024, 1025), (1025, 1100), (1026, 1100), (1030, 1050), (1100, 1100),
        ] {
            for withBase in [true, false] {
                let verifier = try ledger.verify(first, last, withBase: withBase)
                #expect(verifier.finding == nil, "\(first)...\(last)")
                #expect(verifier.eventsVerified == last - first + 1, "\(first)...\(last)")
            }
        }
    }

    @Test("random ranges of an untouched ledger with random blocks are valid")
    func validAtRandom() throws {
        try withSeed { generator in
            for _ in 0..<10 {
                let sizes = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                    Int.random(in: 1...200, using: &generator)
                }
                let ledger = try TestLedger(blocks: sizes)
                let count = ledger.head.sequence.rawValue
                for _ in 0..<10 {
                    let first = UInt64.random(in: 1...count, using: &generator)
                    let last = UInt64.random(in: first...count, using: &generator)
                    let verifier = try ledger.verify(first, last)
                    #expect(verifier.finding == nil)
                    #expect(verifier.eventsVerified == last - first + 1)
                }
            }
        }
    }

    @Test("a changed byte in a payload breaks the link at its own number")
    func linkBroken() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for number: UInt64 in [1, 2, 4, 5, 255, 256, 257, 1024, 1025, 1099] {
            var changed = ledger
            // A byte of veps_timestamp: the entry still decodes.
            changed.alter(number) { flip(&$0, $0.count - 50) }
            try expectFinding(changed, .linkBroken, at: number)
            try expectFinding(changed, .linkBroken, at: number, number)
            try expectFinding(changed, .linkBroken, at: number, number, number)
        }
    }

    @Test("a changed last event does not match the head")
    func headMismatchByEvent() throws {
        var ledger = try TestLedger(blocks: Self.sizes)
        ledger.alter(1100) { flip(&$0, $0.count - 50) }
        try expectFinding(ledger, .headMismatch, at: 1100)
        try expectFinding(ledger, .headMismatch, at: 1100, 1100)
    }

    @Test("a changed head is found: its hash, its time and each part of its tree")
    func headMismatch() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        let head = ledger.head
        var changed = ledger
        changed.head = Head(
            sequence: head.sequence, eventHash: .zero, sealedTimestamp: head.sealedTimestamp,
            tree: head.tree)
        try expectFinding(changed, .headMismatch, at: 1100)
        changed.head = Head(
            sequence: head.sequence, eventHash: head.eventHash,
            sealedTimestamp: head.sealedTimestamp + 1, tree: head.tree)
        try expectFinding(changed, .headMismatch, at: 1100)
        // 1,100 = 1024 + 64 + 8 + 4.
        for (index, start): (Int, UInt64) in [(0, 1), (1, 1025), (2, 1089), (3, 1097)] {
            var hashes = head.tree.hashes
            hashes[index] = .zero
            changed.head = Head(
                sequence: head.sequence, eventHash: head.eventHash,
                sealedTimestamp: head.sealedTimestamp,
                tree: try MerkleFrontier(size: 1100, hashes: hashes))
            try expectFinding(changed, .headMismatch, at: start)
            try expectFinding(changed, .headMismatch, at: max(start, 700), 700)
        }
    }

    @Test("bytes that are no entry are malformed at their number")
    func malformed() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for number: UInt64 in [1, 3, 256, 700, 1100] {
            var changed = ledger
            changed.alter(number) { $0[0] = UInt8(ascii: "X") }
            try expectFinding(changed, .entryMalformed, at: number)
            try expectFinding(changed, .entryMalformed, at: number, number)
            changed.alter(number) { $0.removeLast() }
            try expectFinding(changed, .entryMalformed, at: number)
        }
    }

    @Test("a block that cannot be split is malformed where splitting ends")
    func brokenFraming() throws {
        let ledger = try TestLedger(blocks: [3, 3, 3])
        var changed = ledger
        changed.blocks[4]?.removeLast()
        try expectFinding(changed, .entryMalformed, at: 6)
        changed = ledger
        changed.blocks[4]?.append(0)
        try expectFinding(changed, .entryMalformed, at: 6)
        changed = ledger
        changed.blocks[7]?.append(0)
        try expectFinding(changed, .entryMalformed, at: 9)
        changed = ledger
        changed.blocks[4] = []
        try expectFinding(changed, .entryMalformed, at: 4)
        try expectFinding(changed, .entryMalformed, at: 5, 5)
        // The range begins behind the damage.
        #expect(try changed.verify(8).finding == nil)
    }

    @Test("an entry with another number is found at its place")
    func wrongNumber() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for number: UInt64 in [1, 5, 256, 1025, 1100] {
            var changed = ledger
            changed.alter(number) { flip(&$0, 9) }
            try expectFinding(changed, .wrongNumber, at: number)
            try expectFinding(changed, .wrongNumber, at: number, number, number)
        }
    }

    @Test("events that were deleted, swapped, put twice or put between are found where they are")
    func wrongPlaces() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        // The block of 200 events from number 12 on.
        func changed(_ change: (inout [[UInt8]]) -> Void) -> TestLedger {
            var changed = ledger
            var entries = Array(ledger.entries[11..<211])
            change(&entries)
            var value: [UInt8] = []
            for entry in entries { Block.append(entry, to: &value) }
            changed.blocks[12] = value
            return changed
        }
        try expectFinding(changed { $0.remove(at: 50) }, .wrongNumber, at: 62)
        try expectFinding(changed { $0.remove(at: 0) }, .wrongNumber, at: 12)
        try expectFinding(changed { $0.swapAt(50, 51) }, .wrongNumber, at: 62)
        try expectFinding(changed { $0.insert($0[50], at: 51) }, .wrongNumber, at: 63)
        try expectFinding(changed { $0.removeLast(2) }, .blockMissing, at: 210)
        // Under its own number, and linked to the one before it: the next one does not continue it.
        var between = ledger
        try between.forge(62, payload: [7])
        try expectFinding(
            changed { $0.insert(between.entries[61], at: 50) }, .linkBroken, at: 62)
        // Where the range ends, the next event is all that speaks of the last one.
        var last = changed { $0.remove(at: 51) }
        #expect(try last.verify(1, 61).finding == nil)
        try expectFinding(last, .linkBroken, at: 62, 1, 62)
        last = changed { $0.swapAt(50, 51) }
        try expectFinding(last, .linkBroken, at: 61, 1, 61)
    }

    @Test("a time that goes back is found at the later event, at the range's beginning too")
    func timestampBackwards() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for number: UInt64 in [2, 256, 257, 258, 1025, 1026, 1100] {
            var changed = ledger
            changed.alter(number) { $0[$0.count - 40] = 0x80 }
            try expectFinding(changed, .timestampBackwards, at: number)
            try expectFinding(changed, .timestampBackwards, at: number, number)
        }
    }

    @Test("one millisecond back is too early, the same millisecond is not")
    func timestampBounds() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for number: UInt64 in [3, 258, 1100] {
            let previous = try Entry(decoding: ledger.entries[Int(number) - 2][...])
            func altered(to time: Int64) -> TestLedger {
                var changed = ledger
                changed.alter(number) { entry in
                    for byte in 0..<8 {
                        entry[entry.count - 33 - byte] = UInt8(
                            truncatingIfNeeded: time >> Int64(8 * byte))
                    }
                }
                return changed
            }
            try expectFinding(
                altered(to: previous.sealedTimestamp - 1), .timestampBackwards, at: number)
            let same = try altered(to: previous.sealedTimestamp).verify()
            #expect(same.finding?.kind != .timestampBackwards)
        }
    }

    @Test("the first event continues nothing")
    func firstLink() throws {
        var ledger = try TestLedger(blocks: [2])
        ledger.alter(1) { flip(&$0, $0.count - 1) }
        try expectFinding(ledger, .linkBroken, at: 1)
    }

    @Test("a missing block is found at its first number, or the range's")
    func blockMissing() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for (number, missing): (UInt64, UInt64) in [(1, 1), (5, 5), (212, 212), (1051, 1051)] {
            var changed = ledger
            changed.blocks[missing] = nil
            try expectFinding(changed, .blockMissing, at: number)
        }
        var changed = ledger
        changed.blocks[12] = nil
        try expectFinding(changed, .blockMissing, at: 100, 100)
        // The link of the last event is missing with the block behind it.
        try expectFinding(changed, .blockMissing, at: 12, 1, 11)
        #expect(try changed.verify(1, 10).finding == nil)
        #expect(try changed.verify(300).finding == nil)
        changed.blocks = [:]
        try expectFinding(changed, .blockMissing, at: 1)
    }

    @Test("a block that repeats numbers is found at the first of them")
    func blockOverlap() throws {
        let ledger = try TestLedger(blocks: [3, 3, 3])
        var changed = ledger
        changed.blocks[5] = ledger.blocks[4]
        try expectFinding(changed, .blockOverlap, at: 5)
        changed = ledger
        var value = ledger.blocks[4] ?? []
        Block.append(ledger.entries[6], to: &value)
        changed.blocks[4] = value
        try expectFinding(changed, .blockOverlap, at: 7)
        changed = ledger
        changed.blocks[9] = []
        try expectFinding(changed, .blockOverlap, at: 9)
        #expect(try changed.verify(1, 8).finding == nil)
        changed = ledger
        changed.blocks[5] = []
        try expectFinding(changed, .blockOverlap, at: 5, 1, 5)
        #expect(try changed.verify(1, 4).finding == nil)
    }

    @Test("a changed, missing or cut tile of level 0 is found at the leaf that it belies")
    func tileMismatch() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for (number, first): (UInt64, UInt64) in [(1, 1), (5, 1), (256, 1), (257, 1), (1024, 900)] {
            var changed = ledger
            let id = TileID(level: 0, index: (number - 1) / 256)
            changed.tiles[id]?[Int((number - 1) % 256) * 32] ^= 1
            try expectFinding(changed, .tileMismatch, at: number, first)
            changed.tiles[id]?.removeLast()
            let start = max((number - 1) / 256 * 256 + 1, first)
            try expectFinding(changed, .tileMismatch, at: start, first)
            changed.tiles[id] = nil
            try expectFinding(changed, .tileMismatch, at: start, first)
        }
        // Below the range the tile only gives leaves: what it belies there is not asked for.
        var changed = ledger
        changed.tiles[TileID(level: 0, index: 1)]?[0] ^= 1
        #expect(try changed.verify(258, 500).finding == nil)
    }

    @Test("a forged event whose chain was linked again is found by its tile, or by the head's tree")
    func forged() throws {
        let ledger = try TestLedger(blocks: Self.sizes)
        for number: UInt64 in [1, 5, 256, 1024] {
            var changed = ledger
            try changed.forge(number, payload: [9])
            try expectFinding(changed, .tileMismatch, at: number)
        }
        var changed = ledger
        try changed.forge(1090, payload: [9])
        try expectFinding(changed, .headMismatch, at: 1089)
        try expectFinding(changed, .headMismatch, at: 1090, 1090)
    }

    @Test("a tile of level 1 is checked against the roots of the tiles below it")
    func higherTile() throws {
        let ledger = try TestLedger(blocks: Array(repeating: 1024, count: 64) + [10])
        #expect(try ledger.verify().finding == nil)
        #expect(try ledger.verify(65_000).finding == nil)
        let id = TileID(level: 1, index: 0)
        var changed = ledger
        changed.tiles[id]?[3 * 32] ^= 1
        try expectFinding(changed, .tileMismatch, at: 769, 1, 3000)
        try expectFinding(changed, .tileMismatch, at: 800, 800, 3000)
        #expect(try changed.verify(1025, 3000).finding == nil)
        changed.tiles[id] = nil
        try expectFinding(changed, .tileMismatch, at: 1)
        try expectFinding(changed, .tileMismatch, at: 2000, 2000)
        // A changed last leaf of a tile is its own fault, not its parent's.
        changed = ledger
        changed.alter(1024) { flip(&$0, $0.count - 50) }
        try expectFinding(changed, .linkBroken, at: 1024, 1, 3000)
    }

    @Test("a changed fingerprint or block bit in a full segment is found at its number")
    func idsMismatch() throws {
        let ledger = try TestLedger(blocks: Self.withSegment)
        #expect(try ledger.verify().finding == nil)
        #expect(try ledger.verify(4000, 4200).finding == nil)
        for number: UInt64 in [1, 77, 4096] {
            var changed = ledger
            changed.segments[0]?[Int(number - 1) * 8] ^= 1
            try expectFinding(changed, .idsMismatch, at: number)
            changed = ledger
            changed.segments[0]?[32_768 + Int(number - 1) / 8] ^= 1 << UInt8((number - 1) % 8)
            try expectFinding(changed, .idsMismatch, at: number)
            try expectFinding(changed, .idsMismatch, at: number, number, number)
        }
        var changed = ledger
        changed.segments[0] = nil
        try expectFinding(changed, .idsMismatch, at: 1)
        try expectFinding(changed, .idsMismatch, at: 300, 300)
        #expect(try changed.verify(4097).finding == nil)
        changed.segments[0] = [1, 2, 3]
        try expectFinding(changed, .idsMismatch, at: 1)
    }

    @Test("events beyond the head are found, in a block of their own or in the last one")
    func beyondHead() throws {
        let ledger = try TestLedger(blocks: [3, 3, 3])
        var changed = ledger
        let shorter = try TestLedger(blocks: [3, 3])
        changed.head = shorter.head
        try expectFinding(changed, .beyondHead, at: 7)
        #expect(try changed.verify(1, 5).finding == nil)
        let cut = try TestLedger(blocks: [3, 2])
        changed = ledger
        changed.head = cut.head
        changed.blocks[7] = nil
        try expectFinding(changed, .beyondHead, at: 6)
    }

    @Test("a checkpoint of another tree is found")
    func checkpointMismatch() throws {
        var ledger = try TestLedger(blocks: Self.sizes)
        for size in [1, 300, 1100] {
            let root = MerkleTree.root(of: Array(ledger.leaves[..<size]))
            ledger.checkpoint = .made(Checkpoint(origin: "o", size: UInt64(size), root: root))
            #expect(try ledger.verify().finding == nil)
            #expect(try ledger.verify(UInt64(size)).finding == nil)
            ledger.checkpoint = .made(Checkpoint(origin: "o", size: UInt64(size), root: .zero))
            try expectFinding(ledger, .checkpointMismatch, at: 1)
        }
        try expectFinding(ledger, .checkpointMismatch, at: 600, 600)
        // The head's own tree says something else.
        try expectFinding(ledger, .checkpointMismatch, at: 1, 1, 1099)
        #expect(try ledger.verify(600, withBase: false).finding == nil)
        ledger.checkpoint = .made(Checkpoint(origin: "o", size: 1101, root: .zero))
        try expectFinding(ledger, .checkpointMismatch, at: 1101)
    }

    @Test("a checkpoint that is refused is found in every range, after what is wrong with events")
    func checkpointRefused() throws {
        var ledger = try TestLedger(blocks: Self.sizes)
        ledger.checkpoint = .refused(reason: "no trusted signature")
        for (first, last): (UInt64, UInt64) in [(1, 1100), (1, 1), (257, 512), (1025, 1100)] {
            try expectFinding(ledger, .checkpointMismatch, at: first, first, last)
            #expect(try ledger.verify(first, last).finding?.actual == "no trusted signature")
        }
        ledger.alter(300) { flip(&$0, $0.count - 50) }
        try expectFinding(ledger, .linkBroken, at: 300)
    }

    @Test("a checkpoint of the head's size is compared with the head where the range ends before")
    func checkpointBesideTheHead() throws {
        var ledger = try TestLedger(blocks: Self.sizes)
        ledger.checkpoint = .made(Checkpoint(origin: "o", size: 1100, root: ledger.head.tree.root))
        #expect(try ledger.verify(20, 500).finding == nil)
        ledger.checkpoint = .made(Checkpoint(origin: "o", size: 1100, root: .zero))
        try expectFinding(ledger, .checkpointMismatch, at: 20, 20, 500)
        // Of another size nothing is known here.
        ledger.checkpoint = .made(Checkpoint(origin: "o", size: 1099, root: .zero))
        #expect(try ledger.verify(20, 500).finding == nil)
    }

    @Test("a checkpoint of no events has the root of the empty tree")
    func checkpointOfNothing() throws {
        var ledger = try TestLedger(blocks: [3])
        ledger.checkpoint = .made(Checkpoint(origin: "o", size: 0, root: MerkleTree.emptyRoot))
        #expect(try ledger.verify().finding == nil)
        ledger.checkpoint = .made(Checkpoint(origin: "o", size: 0, root: .zero))
        try expectFinding(ledger, .checkpointMismatch, at: 1)
    }

    @Test("within one number the findings come in their order, and a lower number comes first")
    func order() throws {
        let ledger = try TestLedger(blocks: Self.withSegment)
        var changed = ledger
        changed.segments[0]?[99 * 8] ^= 1
        try expectFinding(changed, .idsMismatch, at: 100)
        changed.tiles[TileID(level: 0, index: 0)]?[99 * 32] ^= 1
        try expectFinding(changed, .tileMismatch, at: 100)
        changed.alter(100) { flip(&$0, $0.count - 50) }
        try expectFinding(changed, .linkBroken, at: 100)
        changed.alter(100) { $0[$0.count - 40] = 0x80 }
        try expectFinding(changed, .timestampBackwards, at: 100)
        changed.alter(100) {
            $0[$0.count - 40] = 0x80
            flip(&$0, 11)
        }
        try expectFinding(changed, .wrongNumber, at: 100)
        changed.alter(100) { $0[0] = 0 }
        try expectFinding(changed, .entryMalformed, at: 100)
        changed.segments[0]?[98 * 8] ^= 1
        try expectFinding(changed, .idsMismatch, at: 99)
    }

    @Test("any changed byte of blocks, tiles and segments is found, at or before its number")
    func anyByte() throws {
        let ledger = try TestLedger(blocks: [2000, 1000, 1000, 300].flatMap { [$0 / 2, $0 / 2] })
        #expect(try ledger.verify().finding == nil)
        try withSeed { generator in
            for _ in 0..<60 {
                var changed = ledger
                switch Int.random(in: 0..<3, using: &generator) {
                case 0:
                    let key = try #require(
                        changed.blocks.keys.sorted().randomElement(using: &generator))
                    let count = try #require(changed.blocks[key]).count
                    changed.blocks[key]?[Int.random(in: 0..<count, using: &generator)] ^= 1
                case 1:
                    let id = TileID(level: 0, index: UInt64.random(in: 0..<16, using: &generator))
                    let position = Int.random(in: 0..<8192, using: &generator)
                    changed.tiles[id]?[position] ^= 1
                    try expectFinding(
                        changed, .tileMismatch, at: id.index * 256 + UInt64(position / 32) + 1)
                default:
                    let position = Int.random(in: 0..<32_768, using: &generator)
                    changed.segments[0]?[position] ^= 1
                    try expectFinding(changed, .idsMismatch, at: UInt64(position / 8) + 1)
                }
                #expect(try changed.verify().finding != nil)
            }
        }
    }

    @Test("the kinds have the names of the API")
    func kindNames() {
        #expect(
            Set(FindingKind.allCases.map(\.rawValue)) == [
                "entry_malformed", "wrong_number", "link_broken", "timestamp_backwards",
                "block_missing", "block_overlap", "tile_mismatch", "ids_mismatch", "head_mismatch",
                "beyond_head", "checkpoint_mismatch",
            ])
    }

    @Test("what was not asked for is not taken")
    func unasked() throws {
        let ledger = try TestLedger(blocks: [3])
        var verifier = LedgerVerifier(
            first: 1, last: 3, head: ledger.head, base: MerkleFrontier())
        #expect(verifier.need == .block(1))
        verifier.consume(tile: TileID(level: 0, index: 0), value: nil)
        verifier.consume(segment: 0, value: nil)
        #expect(verifier.need == .block(1))
        verifier.consume(block: 1, value: ledger.blocks[1] ?? [])
        #expect(verifier.need == .block(4))
        verifier.consumeEndOfBlocks()
        #expect(verifier.need == .nothing)
        verifier.consume(block: 1, value: [])
        #expect(verifier.finding == nil)
        #expect(verifier.eventsVerified == 3)
    }
}
