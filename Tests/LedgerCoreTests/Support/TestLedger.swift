import LedgerCore

/// A stored ledger in memory, as sealing would have left it, for altering its bytes.
struct TestLedger {
    /// The values of `events/<first>`, by number.
    var blocks: [UInt64: [UInt8]] = [:]
    var tiles: [TileID: [UInt8]] = [:]
    var segments: [UInt64: [UInt8]] = [:]
    var head = Head.empty
    var checkpoint = CheckpointStatement.absent
    var known = KnownHead()

    /// All entries in order.
    private(set) var entries: [[UInt8]] = []
    private(set) var leaves: [Digest] = []
    /// The size of each block.
    private(set) var sizes: [Int] = []

    /// A ledger whose blocks hold so many events each.
    init(blocks sizes: [Int]) throws(InvalidEvent) {
        self.sizes = sizes
        for number in 1...UInt64(sizes.reduce(0, +)) {
            let event = try sampleEvent("event \(number)")
            append(
                event, previousHash: entries.last.map { Digest.sha256($0) } ?? .zero,
                timestamp: 1000 + Int64(number / 3))
        }
        store()
    }

    private mutating func append(
        _ event: CertifiedEvent, previousHash: Digest, timestamp: Int64
    ) {
        entries.append(
            EntryTemplate(event).bytes(
                sequenceNumber: SequenceNumber(UInt64(entries.count) + 1),
                sealedTimestamp: timestamp, previousHash: previousHash))
    }

    /// Writes blocks, tiles, segments and head from the entries.
    private mutating func store() {
        var stack = TileStack()
        var segment = IdSegment(number: 0)
        var position = 0
        for size in sizes {
            var value: [UInt8] = []
            for offset in 0..<size {
                let entry = entries[position + offset]
                Block.append(entry, to: &value)
                let leaf = MerkleTree.leafHash(of: entry)
                leaves.append(leaf)
                for tile in stack.append(leaf) { tiles[tile.id] = tile.bytes }
                if let view = try? EntryView(decoding: entry[...]) {
                    segment.append(view.fingerprint, startsBlock: offset == 0)
                    if segment.isFull {
                        segments[segment.number] = segment.bytes
                        segment = IdSegment(number: segment.number + 1)
                    }
                }
            }
            blocks[UInt64(position) + 1] = value
            position += size
        }
        let last = entries.last.flatMap { try? EntryView(decoding: $0[...]) }
        head = Head(
            sequence: SequenceNumber(stack.size), eventHash: last?.eventHash ?? .zero,
            sealedTimestamp: last?.sealedTimestamp ?? 0, tree: stack.frontier)
    }

    /// Changes an entry's bytes in its block, and nothing else.
    mutating func alter(_ number: UInt64, _ change: (inout [UInt8]) -> Void) {
        var first: UInt64 = 1
        for size in sizes {
            if number < first + UInt64(size) {
                var value: [UInt8] = []
                for entry in first..<first + UInt64(size) {
                    var bytes = entries[Int(entry) - 1]
                    if entry == number { change(&bytes) }
                    Block.append(bytes, to: &value)
                }
                blocks[first] = value
                return
            }
            first += UInt64(size)
        }
    }

    /// Changes an event and links everything after it again, up to the head's event hash: what
    /// somebody would do who has access to the store and wants the chain to hold. Tiles, segments
    /// and the head's tree stay.
    mutating func forge(_ number: UInt64, payload: [UInt8]) throws {
        var previous = Digest.zero
        for index in entries.indices {
            let entry = try Entry(decoding: entries[index][...])
            let event =
                index == Int(number) - 1
                ? try sampleEvent(entry.event.eventID.description, payload: payload) : entry.event
            entries[index] = EntryTemplate(event).bytes(
                sequenceNumber: entry.sequenceNumber, sealedTimestamp: entry.sealedTimestamp,
                previousHash: previous)
            previous = Digest.sha256(entries[index])
        }
        var position = 0
        for size in sizes {
            var value: [UInt8] = []
            for entry in entries[position..<position + size] { Block.append(entry, to: &value) }
            blocks[UInt64(position) + 1] = value
            position += size
        }
        head = Head(
            sequence: head.sequence, eventHash: previous, sealedTimestamp: head.sealedTimestamp,
            tree: head.tree)
    }

    /// Verifies a range as a driver of the store does.
    func verify(
        _ first: UInt64 = 1, _ last: UInt64? = nil, withBase: Bool = true,
        passesRecords: Bool = false
    ) throws -> LedgerVerifier {
        let start = SequenceNumber(first)
        let keys = blocks.keys.sorted()
        var verifier = LedgerVerifier(
            first: start, last: last.map { SequenceNumber($0) } ?? head.sequence, head: head,
            known: known,
            base: withBase ? try base(LedgerVerifier.baseSize(first: start)) : nil,
            checkpoint: checkpoint,
            firstBlockBeyondHead: keys.first { $0 > head.sequence.rawValue }
                .map { SequenceNumber($0) },
            passesRecords: passesRecords)
        var pending: ArraySlice<UInt64>?
        while verifier.need != .nothing {
            switch verifier.need {
            case .block(let number):
                if pending == nil {
                    let newest = keys.lastIndex { $0 <= number.rawValue } ?? 0
                    pending = keys[min(newest, keys.count)...]
                }
                if let key = pending?.popFirst(), let value = blocks[key] {
                    verifier.consume(block: SequenceNumber(key), value: value)
                } else {
                    verifier.consumeEndOfBlocks()
                }
            case .tile(let id): verifier.consume(tile: id, value: tiles[id])
            case .segment(let number): verifier.consume(segment: number, value: segments[number])
            case .nothing: break
            }
        }
        return verifier
    }

    /// The head as it was after so many events.
    func head(after number: UInt64) throws -> Head {
        var tree = MerkleFrontier()
        for leaf in leaves[..<Int(number)] { tree.append(leaf) }
        let last = try EntryView(decoding: entries[Int(number) - 1][...])
        return Head(
            sequence: SequenceNumber(number), eventHash: last.eventHash,
            sealedTimestamp: last.sealedTimestamp, tree: tree)
    }

    /// Verifies from the first event to one head after the other, as events are sealed. What it is handed is what is
    /// stored at each head; each block comes once.
    func follow(
        _ heads: [Head], checkpoints: [UInt64: CheckpointStatement] = [:]
    ) -> LedgerVerifier {
        var pending = blocks.keys.sorted()[...]
        var verifier = LedgerVerifier(
            first: .first, last: heads[0].sequence, head: heads[0], base: MerkleFrontier(),
            checkpoint: checkpoints[heads[0].sequence.rawValue] ?? .absent)
        for head in heads {
            if head != heads[0] {
                verifier.follow(
                    head, known: KnownHead(),
                    checkpoint: checkpoints[head.sequence.rawValue] ?? .absent,
                    firstBlockBeyondHead: nil)
            }
            while verifier.need != .nothing {
                switch verifier.need {
                case .block:
                    if let key = pending.first, key <= head.sequence.rawValue,
                        let value = blocks[key]
                    {
                        pending.removeFirst()
                        verifier.consume(block: SequenceNumber(key), value: value)
                    } else {
                        verifier.consumeEndOfBlocks()
                    }
                case .tile(let id): verifier.consume(tile: id, value: tiles[id])
                case .segment(let number):
                    verifier.consume(segment: number, value: segments[number])
                case .nothing: break
                }
            }
            if verifier.finding != nil { break }
        }
        return verifier
    }

    private func base(_ size: UInt64) throws -> MerkleFrontier {
        let loaded = try TileStack.tilesToLoad(size: size).map {
            try Tile(id: $0, bytes: tiles[$0] ?? [])
        }
        return try TileStack(size: size, tiles: loaded, tail: []).frontier
    }
}
