import EtcdGateway
import LedgerCore
import LedgerStore
import Testing

@Suite("Pages of blocks")
struct BlockPagesTests {
    private let keys = LedgerKeys(prefix: "ledger/")

    /// Blocks of so many events and bytes, one after another; what is in them does not matter to pages.
    private func store(_ blocks: [(events: UInt64, bytes: Int)]) -> (SimulatedEtcd, last: UInt64) {
        let store = SimulatedEtcd()
        var next: UInt64 = 1
        for block in blocks {
            store.put(
                keys.block(SequenceNumber(rawValue: next)),
                [UInt8](repeating: 0, count: block.bytes))
            next += block.events
        }
        return (store, next - 1)
    }

    /// Reads all blocks, and returns where they begin.
    private func walk(_ metered: MeteredStore, through last: UInt64) async throws -> [UInt64] {
        let ledger = LedgerStore(store: metered, keys: keys)
        var pages = BlockPages(ledger, from: .first, through: SequenceNumber(rawValue: last))
        var starts: [UInt64] = []
        while case let page = try await pages.nextPage(), !page.isEmpty {
            starts += page.map(\.first.rawValue)
        }
        return starts
    }

    private func starts(_ blocks: [(events: UInt64, bytes: Int)]) -> [UInt64] {
        var next: UInt64 = 1
        return blocks.map { block in
            defer { next += block.events }
            return next
        }
    }

    @Test("a page never has more than 9 MiB, whatever follows blocks that were small")
    func worstCase() async throws {
        // 3,000 events of 100 bytes that were sealed alone, then the largest blocks there can be.
        let small = [(events: UInt64, bytes: Int)](repeating: (1, 150), count: 3_000)
        let large = [(events: UInt64, bytes: Int)](repeating: (16, 1 << 20), count: 40)
        let alone = [(events: UInt64, bytes: Int)](repeating: (1, 65_537), count: 400)
        for blocks in [small + large, small + alone, small + alone + large + small] {
            let (store, last) = store(blocks)
            let metered = MeteredStore(store)
            #expect(try await walk(metered, through: last) == starts(blocks))
            let largest = metered.reads.map(\.bytes).max() ?? 0
            #expect(largest <= 9 << 20, "\(largest) bytes in a page")
        }
    }

    @Test("mixed sizes take few pages")
    func mixedSizes() async throws {
        let sizes = [150, 350, 2_050, 20_050, 49_050]
        let blocks = (0..<1_555).map { (events: UInt64(1), bytes: sizes[$0 * 7 / 20 % 5]) }
        let (store, last) = store(blocks)
        let metered = MeteredStore(store)
        #expect(try await walk(metered, through: last) == starts(blocks))
        #expect(metered.reads.count <= 40, "\(metered.reads.count) reads for 1,555 blocks")
    }

    @Test("large group commits and single events in turn are all read, and each once")
    func alternating() async throws {
        var blocks: [(events: UInt64, bytes: Int)] = []
        for _ in 0..<4 {
            blocks += [(events: UInt64, bytes: Int)](repeating: (1, 200), count: 300)
            blocks += [(events: UInt64, bytes: Int)](repeating: (1_024, 200_000), count: 9)
            blocks += [(events: UInt64, bytes: Int)](repeating: (10, 2_000), count: 100)
        }
        let (store, last) = store(blocks)
        let metered = MeteredStore(store)
        #expect(try await walk(metered, through: last) == starts(blocks))
        #expect(metered.reads.count <= 160, "\(metered.reads.count) reads")
        #expect(metered.reads.reduce(0) { $0 + $1.keys } == blocks.count, "each block once")
    }

    @Test(
        "a store that answers little in time is asked for little, and fails few times in a walk",
        arguments: [EtcdErrorCode.timeout, .tooLarge], [70_000, 200_000, 600_000])
    func slowStore(code: EtcdErrorCode, bearableBytes: Int) async throws {
        let blocks = [(events: UInt64, bytes: Int)](repeating: (1, 49_000), count: 500)
        let (store, last) = store(blocks)
        let metered = MeteredStore(store, bearableBytes: bearableBytes, otherwise: code)
        #expect(try await walk(metered, through: last) == starts(blocks))
        let failed = metered.reads.filter { !$0.answered }
        #expect(failed.count <= 4, "\(failed)")
    }

    @Test("one block is asked for alone before it is given up")
    func singleBlock() async throws {
        let (store, last) = store([(1, 100), (1, 100), (16, 1 << 20), (1, 100)])
        let bearable = MeteredStore(store, bearableBytes: 1 << 20)
        #expect(try await walk(bearable, through: last) == [1, 2, 3, 19])
        let unbearable = MeteredStore(store, bearableBytes: 1 << 19)
        await #expect(throws: LedgerStoreError.self) { try await walk(unbearable, through: last) }
        #expect(unbearable.reads.last?.keys == 1)
    }

    @Test("what etcd refuses, or what never reached it, is not asked for in pieces")
    func otherFailures() async throws {
        let (store, last) = store([(1, 100), (1, 100)])
        let metered = MeteredStore(store, bearableBytes: 0, otherwise: .connectionLost)
        await #expect(throws: LedgerStoreError.self) { try await walk(metered, through: last) }
        #expect(metered.reads.count == 1)
    }

    @Test("segments and tiles are asked for in pieces too where they do not come in time")
    func loading() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 40_000, blocks: [1_000])
        let metered = MeteredStore(writer.store, bearableBytes: 100_000)
        let ledger = LedgerStore(store: metered, keys: writer.ledger.keys)
        let observation = try await ledger.observe().observation
        let loaded = try await LedgerLoader(ledger).load(upTo: observation, indexSeed: 0)
        #expect(loaded.tiles == writer.known.tiles)
        #expect(loaded.index.count == 40_000)
        #expect(metered.reads.count { !$0.answered } <= 8)
    }
}
