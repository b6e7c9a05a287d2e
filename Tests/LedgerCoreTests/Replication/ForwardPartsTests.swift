import Testing

@testable import LedgerCore

@Suite("The pace of forwards")
struct ForwardPaceTests {
    private var pace = ForwardPace(ReplicaSettings(identity: nil))
    private let start = MonotonicInstant(nanoseconds: 0)

    private func at(_ milliseconds: Int64) -> MonotonicInstant {
        start + .milliseconds(milliseconds)
    }

    @Test("PROTOCOL.md 18: a silent sealer is given 20 ms at least, and twice the usual time")
    func patience() {
        var pace = pace
        #expect(pace.patience == .milliseconds(20))
        for _ in 0..<100 { pace.answered(sentAt: at(0), isMoreUnderWay: false, at: at(30)) }
        #expect(pace.patience > .milliseconds(58))
        #expect(pace.patience < .milliseconds(65))
        // One commit during an election counts for no more than four contracts.
        pace.answered(sentAt: at(0), isMoreUnderWay: false, at: at(60_000))
        #expect(pace.patience < .milliseconds(250))
        for _ in 0..<100 { pace.answered(sentAt: at(0), isMoreUnderWay: false, at: at(2)) }
        #expect(pace.patience == .milliseconds(20))
    }

    @Test("silence counts from the last sign of life, or from the first thing sent since")
    func silence() {
        var pace = pace
        #expect(pace.silentSince == nil)
        pace.sent(at: at(1))
        pace.sent(at: at(5))
        #expect(pace.silentSince == at(1))
        pace.showsLife(isMoreUnderWay: true, at: at(7))
        #expect(pace.silentSince == at(7))
        pace.showsLife(isMoreUnderWay: false, at: at(8))
        #expect(pace.silentSince == nil)
        pace.sent(at: at(9))
        pace.forget()
        #expect(pace.silentSince == nil)
    }

    @Test("the window grows while answers are fast, shrinks when they are slow, within bounds")
    func window() {
        var pace = pace
        let begin = pace.window
        pace.answered(sentAt: at(0), isMoreUnderWay: true, at: at(5))
        #expect(pace.window == begin + 1)
        // Nothing shows that more would fit where nothing else is under way.
        pace.answered(sentAt: at(0), isMoreUnderWay: false, at: at(5))
        #expect(pace.window == begin + 1)
        pace.answered(sentAt: at(0), isMoreUnderWay: true, at: at(31))
        #expect(pace.window < begin)
        let slow = pace.window
        pace.overloaded()
        #expect(pace.window < slow)
        for _ in 0..<200 { pace.overloaded() }
        #expect(pace.window == ForwardPace.windows.lowerBound)
        for _ in 0..<20_000 { pace.answered(sentAt: at(0), isMoreUnderWay: true, at: at(5)) }
        #expect(pace.window == ForwardPace.windows.upperBound)
    }
}

@Suite("The book of accepted submissions")
struct ForwardBookTests {
    private let link = LinkID(rawValue: 1)
    private let now = MonotonicInstant(nanoseconds: 5_000_000_000)

    private func book(
        _ count: Int, stream: (Int) -> UInt64? = { _ in nil }
    ) -> (ForwardBook, [SubmissionToken]) {
        let bench = ReplicaBench()
        var book = ForwardBook()
        var tokens: [SubmissionToken] = []
        for number in 0..<count {
            let submission = bench.submission("e\(number)", stream: stream(number))
            tokens.append(submission.token)
            book.add(submission, headAtReceipt: .zero)
        }
        return (book, tokens)
    }

    @Test("what is taken out and lost sight of comes back in its place")
    func comesBackInOrder() {
        var (book, tokens) = book(6)
        let first = book.take(for: .link(link), at: now).map(\.token)
        #expect(first == tokens)
        _ = book.remove(tokens[2])
        let later = ReplicaBench().submission("later", stream: nil)
        let name = SubmissionToken(rawValue: 99)
        let renamed = Submission(
            token: name, stream: nil, event: later.event, template: later.template,
            receivedAt: later.receivedAt, commitBy: later.commitBy, answerBy: later.answerBy)
        book.add(renamed, headAtReceipt: .zero)
        book.loseSight(of: link)
        let again = book.take(for: .here, at: now).map(\.token)
        #expect(again == tokens.filter { $0 != tokens[2] } + [name])
        #expect(book.sentCount(link) == 0)
    }

    @Test("counts are those of what is there, whatever happens to it")
    func counts() {
        var (book, tokens) = book(9) { UInt64($0 % 3) }
        let stream = StreamID(rawValue: 0)
        #expect(book.streamCount == 3)
        #expect(book.waitingCount == 9)
        _ = book.take(for: .link(link), at: now)
        #expect(book.waitingCount == 0)
        #expect(book.sentCount(link) == 9)
        #expect(book.count(of: stream) == 3)
        #expect(book.waitingCount(of: stream) == 0)
        book.move(tokens[0], to: .lookingUp)
        #expect(book.sentCount(link) == 8)
        book.loseSight(of: link)
        #expect(book.waitingCount == 8)
        #expect(book.waitingCount(of: stream) == 2)
        for token in tokens { _ = book.remove(token) }
        #expect(book.isEmpty)
        #expect(book.bytes == 0)
        #expect(book.waitingCount == 0)
        #expect(book.streamCount == 0)
        #expect(book.oldestWaiting == nil)
        let rest = book.take(for: .here, at: now)
        #expect(rest.isEmpty)
    }

    @Test("what is due is found, in order, and looked for no more often than every millisecond")
    func due() {
        var (book, tokens) = book(3)
        let early = book.takeDue(at: now)
        #expect(early.isEmpty)
        // 50 ms after they were received, which is 2 s later than this test's own time.
        let late = now + .milliseconds(2_050)
        let found = book.takeDue(at: late).map(\.submission.token)
        #expect(found == tokens)
        for token in tokens { book.move(token, to: .resolving(at: late)) }
        book.scheduleVisit(at: late)
        #expect(book.earliestDue == late + .milliseconds(1))
        for token in tokens { _ = book.remove(token) }
        book.scheduleVisit(at: late + .milliseconds(1))
        #expect(book.earliestDue == nil)
    }

    @Test("a walk over what waits does not repeat what waits for earlier events of its stream")
    func parked() {
        var (book, tokens) = book(2_000) { $0 == 0 ? 1 : $0 < 1_500 ? 1 : nil }
        let first = book.take(for: .link(link), at: now)
        #expect(first.count == 2_000)
        book.addOpenAttempt(link, to: tokens[0])
        book.move(tokens[0], to: .lookingUp)
        _ = tokens[1..<1_500].map { book.attemptEnded($0, over: link) }
        book.waitAgain(Array(tokens[1..<1_500]))
        let blocked = book.take(for: .link(link), at: now)
        #expect(blocked.isEmpty)
        #expect(book.waitingCount == 1_499)
        // They are put aside, so that nothing waits for a path.
        #expect(book.oldestWaiting == nil)
        _ = book.remove(tokens[0])
        let free = book.take(for: .link(link), at: now).map(\.token)
        #expect(free == Array(tokens[1..<1_500]))
    }
}
