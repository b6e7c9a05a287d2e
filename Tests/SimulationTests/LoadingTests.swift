import EtcdGateway
import LedgerCore
import LedgerStore
import Testing

@Suite("Loading the ledger")
struct LoadingTests {
    private func load(_ writer: LedgerWriter, from known: LedgerState? = nil) async throws
        -> LedgerState
    {
        let observation = try await writer.ledger.observe().observation
        return try await LedgerLoader(writer.ledger).load(
            upTo: observation, from: known, indexSeed: 7)
    }

    private func expectEqual(_ loaded: LedgerState, _ known: LedgerState) {
        #expect(loaded.observation == known.observation)
        #expect(loaded.tiles == known.tiles)
        #expect(loaded.index.count == known.index.count)
        for number in 1...max(1, known.head.sequence.rawValue) {
            let number = SequenceNumber(rawValue: number)
            #expect(loaded.index.fingerprint(of: number) == known.index.fingerprint(of: number))
            #expect(
                loaded.index.blockStart(containing: number)
                    == known.index.blockStart(containing: number))
        }
    }

    @Test("an empty ledger loads as empty")
    func empty() async throws {
        let loaded = try await load(LedgerWriter())
        #expect(loaded.observation == .empty)
    }

    @Test(
        "protocol.md 10: the events of a block that straddles a segment are all in the index",
        arguments: [4_095, 4_096, 4_097, 4_500, 8_191, 8_192, 8_300])
    func straddlingBlocks(count: UInt64) async throws {
        var writer = LedgerWriter()
        try writer.fill(to: count, blocks: [1_000, 7, 1_024])
        expectEqual(try await load(writer), writer.known)
    }

    @Test("protocol.md 11: the tiles that are not under a full parent are loaded at every level")
    func tilesAfterTakingOver() async throws {
        var writer = LedgerWriter()
        // One full tile of level 1, and some of level 0 beside it.
        try writer.fill(to: 65_536 + 700, blocks: [1_024])
        let loaded = try await load(writer)
        #expect(loaded.tiles == writer.known.tiles)
        #expect(loaded.observation == writer.known.observation)
    }

    @Test("protocol.md 11: without one of those tiles nothing is loaded")
    func missingTile() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 600, blocks: [300])
        let key = writer.ledger.keys.tile(TileID(level: 0, index: 1))
        writer.store.snapshot.keys[key] = nil
        await #expect(throws: LedgerStoreError.self) { try await load(writer) }
    }

    @Test("protocol.md 23: going on from a known state reads the same as reading everything")
    func goingOn() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 1_500, blocks: [700])
        let known = writer.known
        try writer.fill(to: 9_000, blocks: [900, 3])
        expectEqual(try await load(writer, from: known), writer.known)
    }

    @Test("protocol.md 9: a ledger whose last event is not the head's is not loaded")
    func lastEventMustBeTheHead() async throws {
        var writer = LedgerWriter()
        try writer.seal(["a"])
        let observation = writer.known.observation
        let other = Head(
            sequence: observation.head.sequence, eventHash: .sha256([1]),
            sealedTimestamp: observation.head.sealedTimestamp, tree: observation.head.tree)
        writer.store.put(writer.ledger.keys.head, other.encodedJSON())
        await #expect(throws: LedgerStoreError.self) { try await load(writer) }
    }

    @Test(
        "protocol.md 9: counter and head must agree, and be canonical",
        arguments: ["2", "01", "+1", " 1", "9223372036854775808", "", "one"])
    func counterAndHead(counter: String) async throws {
        var writer = LedgerWriter()
        try writer.seal(["a"])
        writer.store.put(writer.ledger.keys.counter, Array(counter.utf8))
        await #expect(throws: LedgerStoreError.self) {
            try await writer.ledger.observe()
        }
    }

    @Test("another format is refused, and so is none on a ledger with events")
    func formats() async throws {
        var writer = LedgerWriter()
        try writer.seal(["a"])
        writer.store.put(writer.ledger.keys.format, Array("3".utf8))
        do {
            _ = try await writer.ledger.observe()
            Issue.record("format 3 was read")
        } catch {
            guard case .unsupportedFormat("3") = error.code else {
                Issue.record("\(error)")
                return
            }
        }
        writer.store.snapshot.keys[writer.ledger.keys.format] = nil
        await #expect(throws: LedgerStoreError.self) {
            try await writer.ledger.observe()
        }
    }

    @Test(
        "protocol.md 24: pages of blocks are read without pinning a revision, and survive new events"
    )
    func pagesWhileSealing() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 3_000, blocks: [30])
        var pages = BlockPages(writer.ledger, from: .first, through: 3_000)
        var read: UInt64 = 0
        while case let page = try await pages.nextPage(), !page.isEmpty {
            for block in page {
                #expect(block.first.rawValue == read + 1)
                read += UInt64(try Block.decodeChain(block.bytes, first: block.first).count)
            }
            try writer.seal(["while-\(read)"])
        }
        #expect(read == 3_000)
    }

    @Test("protocol.md 17: head and the first block beyond it are of one moment")
    func beyondHead() async throws {
        var writer = LedgerWriter()
        try writer.seal(["a", "b"])
        let clean = try await writer.ledger.observeBeyond()
        #expect(clean.firstBeyond == nil)
        writer.store.put(writer.ledger.keys.block(9), [0])
        let found = try await writer.ledger.observeBeyond()
        #expect(found.firstBeyond == 9)
        #expect(found.observation.head.sequence == 2)
    }
}

@Suite("The sealing transaction")
struct SealingTransactionTests {
    @Test("protocol.md 8: the same revision with another head is not extended")
    func comparesTheHead() throws {
        var writer = LedgerWriter()
        try writer.seal(["a"])
        // Restored, and sealed up to the same revision again by somebody else.
        let head = writer.ledger.keys.head
        writer.store.snapshot.keys[head]?.value = writer.known.headBytes + [0x20]
        #expect(try writer.seal(["b"]) == false)
    }

    @Test("protocol.md 8: a block that exists beyond the head is never overwritten")
    func neverOverwritesBlocks() throws {
        var writer = LedgerWriter()
        try writer.seal(["a"])
        let key = writer.ledger.keys.block(2)
        writer.store.put(key, [1, 2, 3])
        #expect(try writer.seal(["b"]) == false)
        #expect(writer.store.snapshot.keys[key]?.value == [1, 2, 3])
    }

    @Test("protocol.md 8: tiles and segments that exist are never overwritten")
    func neverOverwritesTiles() throws {
        for key in [LedgerKeys(prefix: "ledger/").tile(TileID(level: 0, index: 0))] {
            var writer = LedgerWriter()
            try writer.fill(to: 255, blocks: [255])
            writer.store.put(key, [1])
            #expect(try writer.seal(["b"]) == false)
        }
        var writer = LedgerWriter()
        try writer.fill(to: 4_095, blocks: [1_000])
        writer.store.put(LedgerKeys(prefix: "ledger/").ids(0), [1])
        #expect(try writer.seal(["b"]) == false)
    }

    @Test("the first transaction needs an absent head, and puts the format")
    func firstTransaction() throws {
        var writer = LedgerWriter()
        try writer.seal(["a"])
        #expect(writer.store.snapshot.keys[writer.ledger.keys.format]?.value == Array("1".utf8))
        var other = LedgerWriter()
        other.store.put(other.ledger.keys.head, [1])
        #expect(try other.seal(["a"]) == false)
    }

    @Test("a failed comparison returns counter and head, so that losing costs no round trip")
    func failureBranch() throws {
        var writer = LedgerWriter()
        try writer.seal(["a"])
        let stale = try LedgerWriter.stale(proposing: "x", for: writer)
        let response = writer.store.apply(writer.ledger.transactions.sealing(stale))
        guard case .superseded(let seen) = writer.ledger.transactions.result(of: response) else {
            Issue.record("the comparison did not fail")
            return
        }
        #expect(seen == writer.known.observation)
    }

    @Test("the largest transaction stays inside etcd's limits")
    func largest() throws {
        var writer = LedgerWriter()
        // 1,024 events that complete a segment and four tiles.
        try writer.fill(to: 4_096 - 1_000, blocks: [1_024])
        let proposal = try writer.propose((0..<1_024).map { "last-\($0)" })
        let transaction = writer.ledger.transactions.sealing(proposal)
        #expect(proposal.completedSegment != nil)
        #expect(proposal.completedTiles.count == 4)
        #expect(transaction.compares.count <= 20)
        #expect(transaction.success.count <= 20)
    }
}

extension LedgerWriter {
    /// A batch built on the empty ledger, for a store that has gone on since.
    static func stale(proposing id: String, for writer: LedgerWriter) throws -> Proposal {
        var fresh = LedgerWriter()
        return try fresh.propose([id])
    }
}
