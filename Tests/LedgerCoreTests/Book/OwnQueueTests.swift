import Testing

@testable import LedgerCore

/// The part of the book that waits for the own next batch.
@Suite("The own queue")
struct OwnQueueTests {
    /// So many events that wait for a batch.
    private func queued(_ count: Int, stream: (Int) -> UInt64? = { _ in nil }) -> BookBench {
        var bench = BookBench(count, stream: stream)
        _ = bench.take(.here)
        bench.check()
        return bench
    }

    @Test("batches pick callers in turn, and in order of arrival what the shares leave free")
    func callersInTurn() {
        var bench = queued(84) { $0 < 40 ? 1 : $0 < 80 ? 2 : 3 }
        let batch = bench.batch(events: 30)
        let places = batch.compactMap { bench.tokens.firstIndex(of: $0) }
        #expect(places == places.sorted())
        #expect(places.count == 30)
        #expect(places.filter { $0 >= 80 } == Array(80..<84))
        // Of each a share of 10; the 6 that the third stream leaves go to whoever came first.
        #expect(places.filter { $0 < 40 } == Array(0..<16))
        #expect(places.filter { (40..<80).contains($0) } == Array(40..<50))
        bench.check()
        let next = bench.batch(events: 30)
        #expect(next.count == 30)
        #expect(Set(next).isDisjoint(with: batch))
        bench.check()
    }

    @Test("a batch is bounded by bytes, and takes one event at least")
    func bytes() {
        var bench = queued(5)
        let size = bench.book.bytes / 5
        let two = bench.batch(bytes: 2 * size + 1)
        #expect(two == Array(bench.tokens[..<2]))
        let one = bench.batch(bytes: 1)
        #expect(one == [bench.tokens[2]])
        bench.check()
    }

    @Test("what was in a transaction that did not apply comes back before all others, in its order")
    func requeueKeepsOrder() {
        var bench = queued(6) { UInt64($0 % 2) }
        let batch = bench.batch(events: 4)
        let later = bench.add("later", stream: 1)
        _ = bench.take(.here)
        bench.requeue(batch)
        bench.check()
        let again = bench.batch()
        #expect(again == Array(bench.tokens[..<6]) + [later])
    }

    @Test("protocol.md 6: who was answered meanwhile does not come back")
    func requeueWithoutAnswered() {
        var bench = queued(3)
        let submissions = bench.tokens.compactMap { bench.book[$0]?.submission }
        _ = bench.batch()
        bench.book.cancel(bench.tokens[1], isBuilding: false)
        bench.book.requeue(submissions)
        bench.check()
        let again = bench.batch()
        #expect(again == [bench.tokens[0], bench.tokens[2]])
    }

    @Test("entries of what is queued no more are passed over, and dropped when they are many")
    func lazyEntries() {
        var bench = queued(200)
        for token in bench.tokens[..<190] { bench.book.cancel(token, isBuilding: false) }
        bench.check()
        #expect(bench.book.queuedCount == 10)
        #expect(bench.book.queue.count == 200)
        let late = bench.now + .milliseconds(60)
        bench.book.scheduleVisit(at: late)
        #expect(bench.book.queue.count == 10)
        let batch = bench.batch()
        #expect(batch == Array(bench.tokens[190...]))
        #expect(bench.book.queue.isEmpty)
        bench.check()
    }

    @Test("an event with an index hit stays, and holds back those behind it in its stream")
    func hits() {
        var bench = queued(4) { $0 == 3 ? nil : 1 }
        let tokens = bench.tokens
        let (batch, lookUps) = bench.book.takeBatch(.init(events: 10, bytes: 1 << 20)) {
            $0.submission.token == tokens[1] ? [7] : []
        }
        #expect(batch.map(\.token) == [tokens[0], tokens[3]])
        #expect(lookUps.map(\.0) == [tokens[1]])
        #expect(lookUps.map(\.1) == [[7]])
        #expect(bench.book[tokens[1]]?.isLookingUp == true)
        bench.check()
        let blocked = bench.batch()
        #expect(blocked.isEmpty)
    }

    @Test("what expires is taken out in order, and the rest is looked at no sooner than needed")
    func expiry() {
        var bench = queued(2)
        let none = bench.book.expired(at: bench.now + .milliseconds(49))
        #expect(none.isEmpty)
        let late = bench.book.expired(at: bench.now + .milliseconds(50)).map(\.token)
        #expect(late == bench.tokens)
    }

    @Test("the place of an event is reckoned as if callers were served in turn")
    func fairPosition() {
        let bench = queued(30) { $0 < 20 ? 1 : nil }
        #expect(bench.book.queuedCount(of: StreamID(rawValue: 1)) == 20)
        #expect(bench.book.queuedCount(of: nil) == 10)
        // Two callers, of whom each gets every second place.
        #expect(bench.book.fairPosition(own: 10) == 20)
        #expect(bench.book.fairPosition(own: 20) == 30)
        // A new caller is a third one.
        #expect(bench.book.fairPosition(own: 0) == 0)
    }
}
