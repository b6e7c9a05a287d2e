import Testing

@testable import LedgerCore

/// A book with events in it, apart from any core. After each step its counts must add up.
struct BookBench {
    var book = SubmissionBook()
    var tokens: [SubmissionToken] = []
    let link = LinkID(rawValue: 1)
    let now = MonotonicInstant(nanoseconds: 7_000_000_000)
    private let source = ReplicaBench.alone()

    init(_ count: Int = 0, stream: (Int) -> UInt64? = { _ in nil }) {
        for number in 0..<count { add("e\(number)", stream: stream(number)) }
    }

    @discardableResult
    mutating func add(_ id: String, stream: UInt64? = nil) -> SubmissionToken {
        let submission = source.submission(id, stream: stream)
        book.add(submission, headAtReceipt: .zero)
        tokens.append(submission.token)
        return submission.token
    }

    /// Forwards or seals all that can go.
    mutating func take(
        _ path: SubmissionBook.Path, receivedBy latest: MonotonicInstant? = nil
    ) -> [SubmissionToken] {
        let taken = book.take(for: path, at: now, receivedBy: latest).map(\.token)
        if path == .here { for token in taken { book.enqueue(token, isLookingUp: false) } }
        return taken
    }

    mutating func batch(events: Int = 1_024, bytes: Int = 1 << 20) -> [SubmissionToken] {
        book.takeBatch(.init(events: events, bytes: bytes)) { _ in [] }.batch.map(\.token)
    }

    mutating func requeue(_ batch: [SubmissionToken]) {
        book.requeue(batch.compactMap { book[$0]?.submission })
    }

    /// What callers were told since this was asked last.
    mutating func told() -> [SubmissionOutcome] {
        defer { book.outbox = .init() }
        return book.outbox.answers.map(\.outcome)
    }

    func check(sourceLocation: SourceLocation = #_sourceLocation) {
        var book = book
        book.outbox = .init()
        #expect(book.inconsistencies(at: now) == [], sourceLocation: sourceLocation)
    }
}

@Suite("The book of accepted submissions")
struct SubmissionBookTests {
    @Test("what is taken out and lost sight of comes back in its place")
    func comesBackInOrder() {
        var bench = BookBench(6)
        let tokens = bench.tokens
        let first = bench.take(.link(bench.link))
        #expect(first == tokens)
        _ = bench.book.remove(tokens[2])
        let later = bench.add("later")
        bench.book.loseSight(of: bench.link)
        bench.check()
        let again = bench.take(.here)
        #expect(again == tokens.filter { $0 != tokens[2] } + [later])
        #expect(bench.book.sentCount(bench.link) == 0)
    }

    @Test("counts are those of what is there, whatever happens to it")
    func counts() {
        var bench = BookBench(9) { UInt64($0 % 3) }
        let tokens = bench.tokens
        let stream = StreamID(rawValue: 0)
        #expect(bench.book.streamCount == 3)
        #expect(bench.book.waitingCount == 9)
        _ = bench.take(.link(bench.link))
        #expect(bench.book.waitingCount == 0)
        #expect(bench.book.sentCount(bench.link) == 9)
        #expect(bench.book.streams[stream]?.underWay == 3)
        #expect(bench.book.streams[stream]?.waiting == 0)
        bench.book.move(tokens[0], to: .lookingUp)
        #expect(bench.book.sentCount(bench.link) == 8)
        bench.book.loseSight(of: bench.link)
        #expect(bench.book.waitingCount == 8)
        #expect(bench.book.streams[stream]?.waiting == 2)
        bench.check()
        for token in tokens {
            _ = bench.book.remove(token)
            bench.check()
        }
        #expect(bench.book.isEmpty)
        #expect(bench.book.bytes == 0)
        #expect(bench.book.waitingCount == 0)
        #expect(bench.book.streamCount == 0)
        #expect(bench.book.oldestWaiting == nil)
        let rest = bench.take(.here)
        #expect(rest.isEmpty)
    }

    @Test("what is due is found, in order, and looked for no more often than every millisecond")
    func due() {
        var bench = BookBench(3)
        let tokens = bench.tokens
        let early = bench.book.takeDue(at: bench.now + .milliseconds(49))
        #expect(early.isEmpty)
        let late = bench.now + .milliseconds(50)
        let found = bench.book.takeDue(at: late).map(\.submission.token)
        #expect(found == tokens)
        for token in tokens { bench.book.move(token, to: .resolving(at: late)) }
        bench.book.scheduleVisit(at: late)
        #expect(bench.book.earliestDue == late + .milliseconds(1))
        for token in tokens { _ = bench.book.remove(token) }
        bench.book.scheduleVisit(at: late + .milliseconds(1))
        #expect(bench.book.earliestDue == nil)
    }

    @Test("a walk over what waits does not repeat what waits for earlier events of its stream")
    func parked() {
        var bench = BookBench(2_000) { $0 < 1_500 ? 1 : nil }
        let tokens = bench.tokens
        let first = bench.take(.link(bench.link))
        #expect(first.count == 2_000)
        bench.book.addOpenAttempt(bench.link, to: tokens[0])
        bench.book.move(tokens[0], to: .lookingUp)
        _ = tokens[1..<1_500].map { bench.book.attemptEnded($0, over: bench.link) }
        bench.book.waitAgain(Array(tokens[1..<1_500]))
        let blocked = bench.take(.link(bench.link))
        #expect(blocked.isEmpty)
        #expect(bench.book.waitingCount == 1_499)
        // They are put aside, so that nothing waits for a path.
        #expect(bench.book.oldestWaiting == nil)
        bench.check()
        _ = bench.book.remove(tokens[0])
        let free = bench.take(.link(bench.link))
        #expect(free == Array(tokens[1..<1_500]))
        bench.check()
    }

    @Test("the stream goes on at once when the fate of its only open attempt is certain")
    func openAttemptEnds() {
        var bench = BookBench(3) { _ in 1 }
        let tokens = bench.tokens
        _ = bench.take(.link(bench.link))
        bench.book.loseSight(of: bench.link)
        bench.check()
        // The first is refused by whoever had it, and the later ones are still open.
        let other = LinkID(rawValue: 2)
        let again = bench.take(.link(other))
        #expect(again == tokens)
        let later = bench.add("later", stream: 1)
        let blocked = bench.take(.link(other))
        #expect(blocked.isEmpty)
        for token in tokens {
            _ = bench.book.attemptEnded(token, over: bench.link)
            bench.check()
        }
        let free = bench.take(.link(other))
        #expect(free == [later])
    }

    @Test("what was received later than asked for stays, with all that follows it in its stream")
    func receivedBy() {
        let source = ReplicaBench.alone()
        var bench = BookBench()
        var tokens: [SubmissionToken] = []
        for (number, stream) in [UInt64(1), 2, 1].enumerated() {
            source.pass(milliseconds: 1)
            let submission = source.submission("e\(number)", stream: stream)
            bench.book.add(submission, headAtReceipt: .zero)
            tokens.append(submission.token)
        }
        let taken = bench.take(.here, receivedBy: bench.now + .milliseconds(1))
        #expect(taken == [tokens[0]])
        let rest = bench.take(.here)
        #expect(rest == Array(tokens[1...]))
    }

    @Test("an event that another replica forwarded goes over no link")
    func forwardedStays() {
        var bench = BookBench()
        let source = ReplicaBench.alone().submission("a")
        let foreign = Submission(
            token: source.token, stream: nil, origin: .replica, event: source.event,
            template: source.template, receivedAt: source.receivedAt, commitBy: source.commitBy,
            answerBy: source.answerBy, caller: source.caller, label: 0)
        bench.book.add(foreign, headAtReceipt: .zero)
        let sent = bench.take(.link(bench.link))
        #expect(sent.isEmpty)
        let here = bench.take(.here)
        #expect(here == [foreign.token])
    }

    // MARK: Cancelling

    @Test("who is gone is answered by what was tried: certainly where nothing was, else as unknown")
    func cancelling() {
        let certain = SubmissionOutcome.notSealed(.deadlineExceeded)
        typealias Case = (String, (inout BookBench) -> Void, SubmissionOutcome)
        let link = LinkID(rawValue: 1)
        let cases: [Case] = [
            ("waiting", { _ in }, certain),
            ("queued", { _ = $0.take(.here) }, certain),
            (
                "in a transaction",
                {
                    _ = $0.take(.here)
                    _ = $0.batch()
                }, .unknown
            ),
            ("sent", { _ = $0.take(.link(link)) }, .unknown),
            (
                "waiting again",
                {
                    _ = $0.take(.link(link))
                    $0.book.loseSight(of: link)
                }, .unknown
            ),
            (
                "queued again",
                {
                    _ = $0.take(.link(link))
                    $0.book.loseSight(of: link)
                    _ = $0.take(.here)
                }, .unknown
            ),
            ("looked up", { $0.book.resolve($0.tokens[0], at: $0.now) }, .unknown),
            (
                "resolving",
                {
                    $0.book.resolve($0.tokens[0], at: $0.now)
                    $0.book.searched($0.tokens[0], under: nil, .absent, at: $0.now)
                }, .unknown
            ),
            (
                "being read",
                {
                    _ = $0.take(.link(link))
                    $0.book.readOriginal($0.tokens[0], 4, toldOver: link)
                }, .unknown
            ),
        ]
        for (name, prepare, outcome) in cases {
            var bench = BookBench(1) { _ in 1 }
            prepare(&bench)
            bench.book.cancel(bench.tokens[0], isBuilding: false)
            #expect(bench.told() == [outcome], "\(name)")
            #expect(bench.book.isEmpty)
            bench.check()
            bench.book.cancel(bench.tokens[0], isBuilding: false)
            #expect(bench.told() == [], "\(name), again")
        }
    }

    @Test("who is gone while the batch is hashed is noted, and answered by nobody yet")
    func cancelledWhileBuilding() {
        var bench = BookBench(1)
        _ = bench.take(.here)
        _ = bench.batch()
        bench.book.cancel(bench.tokens[0], isBuilding: true)
        #expect(bench.told() == [])
        #expect(bench.book[bench.tokens[0]]?.isGone == true)
    }
}
