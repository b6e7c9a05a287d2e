import LedgerCore
import Synchronization
import Testing

@testable import LedgerReplica
@testable import LedgerServer

@Suite("The feed of new heads")
struct HeadFeedTests {
    private func eventually(_ condition: () -> Bool) async {
        while !condition() { await Task.yield() }
    }

    @Test("all who follow are woken by one waiter of the sealing side")
    func wakesAll() async throws {
        let ledger = try LoadedReplica(events: 7)
        let feed = HeadFeed(replica: ledger.replica)
        let pump = Task { await feed.run() }
        let followers = (0..<1_000).map { _ in Task { await feed.head(after: 6) } }
        await eventually { feed.waiting == 1_000 }
        ledger.load()
        for follower in followers { #expect(await follower.value == 7) }
        #expect(await feed.head(after: 3) == 7, "who is behind does not wait")
        pump.cancel()
        await pump.value
        // Everybody who waits there has a key of its own.
        #expect(ledger.replica.state.withLock { $0.readers.makeKey() } <= 3)
    }

    @Test("who is cancelled waits no longer")
    func cancellation() async {
        let feed = HeadFeed(replica: nil)
        let follower = Task { await feed.head(after: 1) }
        await eventually { feed.waiting == 1 }
        follower.cancel()
        #expect(await follower.value == 1)
        #expect(feed.waiting == 0)
    }

    @Test("an older head changes nothing")
    func neverBack() async {
        let feed = HeadFeed(replica: nil)
        _ = feed.publish(9)
        _ = feed.publish(4)
        #expect(await feed.head(after: 5) == 9)
    }
}

@Suite("What is kept for readers")
struct KeptForReadersTests {
    private let block = ReadableBlock.make(first: 1, ids: ["a", "b"])

    @Test("the newest blocks stay within their bytes, and the oldest go first")
    func newestBlocks() throws {
        let newest = NewestBlocks(maxBytes: 20_000)
        for number in 1...100 {
            newest.keep(
                first: SequenceNumber(rawValue: UInt64(number)), bytes: block, events: 2)
            #expect(newest.byteCount <= 20_000)
        }
        #expect(try newest.events(of: 1) == nil)
        newest.keep(first: 1, bytes: block, events: 2)
        let events = try #require(try newest.events(of: 1))
        #expect(events.map(\.entry.event.eventID.utf8) == [Array("a".utf8), Array("b".utf8)])
    }

    @Test("a block that is kept again counts once, and what is damaged is not served")
    func keptAgain() throws {
        let newest = NewestBlocks(maxBytes: 20_000)
        newest.keep(first: 1, bytes: [1, 2, 3], events: 1)
        #expect(throws: LedgerRPCError.self) { try newest.events(of: 1) }
        newest.keep(first: 1, bytes: block, events: 2)
        #expect(newest.byteCount == 2 * block.count + 1_024)
        #expect(try newest.events(of: 1)?.count == 2)
    }

    @Test("listings hold no more than they may in all")
    func listingMemory() {
        let memory = ListingMemory(maxBytes: 100)
        #expect(memory.take(60))
        #expect(!memory.take(41))
        #expect(memory.take(40))
        #expect(memory.byteCount == 100)
        memory.giveBack(60)
        #expect(memory.take(60))
    }
}
