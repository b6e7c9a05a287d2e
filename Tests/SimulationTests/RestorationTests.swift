import EtcdGateway
import LedgerCore
import LedgerStore
import Testing

/// Events that a store has lost are put again: with the same keys and values, one transaction after another.
@Suite("Restoring what was sealed")
struct RestorationTests {
    private static let sizes = [1, 3, 700, 64, 1_024, 2, 5]

    private func blocks(of writer: LedgerWriter) -> [StoredBlock] {
        let keys = writer.ledger.keys
        return values(writer.store).compactMap { key, value in
            keys.blockNumber(key).map { StoredBlock(first: $0, bytes: value) }
        }.sorted { $0.first < $1.first }
    }

    private func values(_ store: SimulatedEtcd) -> [[UInt8]: [UInt8]] {
        let keys = store.snapshot.keys
        return keys.filter { _ in true }.reduce(into: [:]) { $0[$1] = keys[$1]?.value }
    }

    @Test(
        "an empty store, and one that has the beginning, become the very ledger that was lost",
        arguments: [0, 3_598])
    func whole(kept: UInt64) async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 9_300, blocks: Self.sizes)
        var other = LedgerWriter()
        if kept > 0 { try other.fill(to: kept, blocks: Self.sizes) }
        let start = other.known.head.sequence
        var restoration = LedgerRestoration(other.known)
        var rest = blocks(of: writer).filter { $0.first > start }[...]
        var observation = other.known.observation
        var steps = 0
        while let step = try restoration.restore(&rest, maxBytes: 200_000) {
            #expect(step.keyCount <= LedgerRestoration.maxKeys)
            observation = try await other.ledger.restore(step, on: observation)
            steps += 1
        }
        #expect(steps > 3)
        #expect(rest.isEmpty)
        #expect(values(other.store) == values(writer.store))
    }

    @Test("nothing is put where the store has another ledger, or a key that is in the way")
    func comparisons() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 300, blocks: [30])
        let blocks = blocks(of: writer)
        for disturb in [
            { (store: SimulatedEtcd, keys: LedgerKeys) in store.put(keys.block(31), [1]) },
            { store, keys in store.put(keys.head, [1]) },
            { store, keys in store.put(keys.counter, [0x31]) },
        ] {
            var other = LedgerWriter()
            try other.seal((1...30).map { "event-\($0)" })
            var restoration = LedgerRestoration(other.known)
            var rest = blocks.dropFirst()
            let step = try #require(try restoration.restore(&rest))
            disturb(other.store, other.ledger.keys)
            let transaction = other.ledger.transactions.restoring(step, on: other.known.observation)
            #expect(!other.store.apply(transaction).succeeded)
        }
    }

    @Test("tiles that a recovery put before the ledger began are in nobody's way; others are")
    func tilesThatAreThere() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 600, blocks: [30])
        let keys = writer.ledger.keys
        let first = keys.tile(TileID(level: 0, index: 0))
        let right = try #require(writer.store.snapshot.keys[first]?.value)
        for isRight in [true, false] {
            let other = LedgerWriter()
            other.store.put(first, isRight ? right : Array(right.reversed()))
            var restoration = LedgerRestoration(other.known)
            var rest = blocks(of: writer)[...]
            let step = try #require(try restoration.restore(&rest))
            #expect(step.tiles.count == 2)
            if isRight {
                let now = try await other.ledger.restore(step, on: .empty)
                #expect(now.head == writer.known.head)
                #expect(values(other.store) == values(writer.store))
            } else {
                await #expect(throws: LedgerStoreError.self) {
                    try await other.ledger.restore(step, on: .empty)
                }
                #expect(try await other.ledger.observe().observation == .empty)
            }
        }
    }

    @Test("a block that does not continue the ledger is not restored")
    func strangers() throws {
        var writer = LedgerWriter()
        try writer.fill(to: 300, blocks: [30])
        var other = LedgerWriter()
        try other.seal(["stranger"])
        var restoration = LedgerRestoration(other.known)
        var rest = blocks(of: writer)[...]
        #expect(throws: FormatError.self) { try restoration.restore(&rest) }
        var empty = LedgerRestoration(LedgerWriter().known)
        rest = blocks(of: writer)[1...]
        #expect(throws: FormatError.self) { try empty.restore(&rest) }
    }

    @Test(
        "entries are cut where the ids segments say, and behind the last one within a block's bounds"
    )
    func cutting() throws {
        var writer = LedgerWriter()
        try writer.fill(to: 6_500, blocks: Self.sizes)
        let stored = blocks(of: writer)
        let keys = writer.ledger.keys
        let segment = try IdSegment(
            number: 0, decoding: #require(writer.store.snapshot.keys[keys.ids(0)]?.value))
        var cutter = BlockCutter(first: .first)
        var cut: [StoredBlock] = []
        for block in stored {
            for (offset, entry) in try Block(decoding: block.bytes, firstNumber: block.first)
                .entries.enumerated()
            {
                let number = block.first.rawValue + UInt64(offset)
                let isRecorded = number <= UInt64(IdSegment.width)
                let starts = isRecorded ? segment.startsBlock(at: Int(number - 1)) : nil
                if let block = cutter.append(entry, startsBlock: starts) { cut.append(block) }
            }
        }
        cut += [cutter.finish()].compactMap(\.self)
        let recorded = stored.filter { $0.first.rawValue <= UInt64(IdSegment.width) }.dropLast()
        #expect(Array(cut.prefix(recorded.count)) == Array(recorded))
        #expect(cut.count < stored.count)
        var restoration = LedgerRestoration(LedgerWriter().known)
        var rest = cut[...]
        while try restoration.restore(&rest) != nil {}
        #expect(restoration.head == writer.known.head)
    }
}
