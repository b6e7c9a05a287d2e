import LedgerCore
import Testing

/// The checker itself: it must find what is wrong in histories that are wrong.
@Suite("The history checker")
struct HistoryTests {
    private var ledger: [Entry]

    init() throws {
        ledger = []
        var previous = EventHash.zero
        for number in 1...3 {
            let entry = Entry(
                sequenceNumber: SequenceNumber(rawValue: UInt64(number)),
                event: try CertifiedEvent(
                    eventID: Array("e\(number)".utf8), payload: [],
                    vepsSignature: Array("s\(number)".utf8), vepsTimestamp: 0, metadata: [],
                    submitter: [], limits: EventLimits()),
                sealedTimestamp: Int64(number), previousHash: previous)
            ledger.append(entry)
            previous = Digest.sha256(entry.encoded())
        }
    }

    private func submission(
        _ number: Int, _ outcome: SubmissionOutcome?, stream: UInt64? = nil, from start: Int64 = 0,
        to end: Int64 = 10
    ) -> History.Submission {
        History.Submission(
            signature: "s\(number)", eventID: "e\(number)", payload: [], replica: 0,
            stream: stream, submittedAt: start, answeredAt: outcome == nil ? nil : end,
            outcome: outcome, dueAt: 100)
    }

    private func original(_ number: Int) -> SealedEntry {
        let entry = ledger[number - 1]
        return SealedEntry(entry: entry, eventHash: .sha256(entry.encoded()))
    }

    private func sealed(_ number: Int, as place: Int? = nil) -> SubmissionOutcome {
        let entry = ledger[(place ?? number) - 1]
        return .sealed(
            Seal(
                sequenceNumber: entry.sequenceNumber, eventHash: .sha256(entry.encoded()),
                previousHash: entry.previousHash, sealedTimestamp: entry.sealedTimestamp),
            latency: .zero)
    }

    private func violations(_ submissions: History.Submission...) -> [String] {
        History(submissions: submissions).violations(of: ledger)
    }

    @Test("a right history has no violation")
    func right() {
        #expect(
            violations(
                submission(1, sealed(1), from: 0, to: 5), submission(2, sealed(2), from: 6, to: 8),
                submission(3, .unknown), submission(4, .notSealed(.starting))
            ).isEmpty)
    }

    @Test("an event that was never answered is found")
    func unanswered() {
        #expect(!violations(submission(1, nil)).isEmpty)
    }

    @Test("an answer that came too late is found")
    func late() {
        #expect(!violations(submission(1, sealed(1), to: 101)).isEmpty)
    }

    @Test("an acknowledged event that is not there, or elsewhere, is found")
    func lost() {
        #expect(!violations(submission(1, sealed(1, as: 2))).isEmpty)
        #expect(
            !History(submissions: [submission(3, sealed(3))])
                .violations(of: Array(ledger.prefix(2))).isEmpty)
    }

    @Test("a certain rejection of an event that is sealed is found")
    func falseRejection() {
        #expect(!violations(submission(1, .notSealed(.storageFull))).isEmpty)
    }

    @Test("a duplicate or conflict that is none is found")
    func falseDuplicate() {
        let other = SealedEntry(entry: ledger[1], eventHash: .zero)
        #expect(!violations(submission(1, .duplicate(of: other))).isEmpty)
        #expect(!violations(submission(1, .conflicting(with: 2, differs: .payload))).isEmpty)
    }

    @Test("an order against real time is found")
    func order() {
        #expect(
            !violations(
                submission(2, sealed(2), from: 0, to: 5), submission(1, sealed(1), from: 6, to: 8)
            ).isEmpty)
    }

    @Test("a doubled event, a gap and a broken link are found")
    func brokenLedger() {
        let history = History()
        #expect(!history.violations(of: [ledger[0], ledger[0]]).isEmpty)
        #expect(!history.violations(of: [ledger[0], ledger[2]]).isEmpty)
        #expect(!history.violations(of: [ledger[1]]).isEmpty)
    }

    @Test("an event that is sealed by its own submission and called a duplicate is found")
    func ownDuplicate() {
        #expect(!violations(submission(1, .duplicate(of: original(1)))).isEmpty)
        #expect(!violations(submission(1, .duplicate(of: original(1)), stream: 7)).isEmpty)
    }

    @Test("a success that another submission of the event has earned is found")
    func borrowedSuccess() {
        var retry = submission(1, sealed(1))
        retry.signature = "another"
        #expect(!violations(submission(1, .unknown), retry).isEmpty)
        retry.outcome = .duplicate(of: original(1))
        #expect(violations(submission(1, .unknown), retry).isEmpty)
    }

    @Test("protocol.md 21: numbers that do not ascend within a stream are found")
    func streamOrder() {
        let wrong = [
            submission(2, sealed(2), stream: 7), submission(1, sealed(1), stream: 7),
        ]
        #expect(!History(submissions: wrong).violations(of: ledger).isEmpty)
        // In two streams, or told as a duplicate, they may stand like that.
        let apart = [
            submission(2, sealed(2), stream: 7), submission(1, sealed(1), stream: 8),
        ]
        #expect(History(submissions: apart).violations(of: ledger).isEmpty)
        let told = [
            submission(2, sealed(2), stream: 7),
            submission(1, .duplicate(of: original(1)), stream: 7),
        ]
        #expect(History(submissions: told).violations(of: ledger).isEmpty)
    }

    @Test("a number told twice within a stream is found")
    func streamRepetition() {
        #expect(
            !violations(
                submission(1, sealed(1), stream: 7), submission(1, sealed(1), stream: 7)
            ).isEmpty)
    }

    @Test("a duplicate that only a later event of the stream could excuse is found")
    func wronglyExcused() {
        #expect(
            !violations(
                submission(1, .duplicate(of: original(1)), stream: 7),
                submission(2, sealed(2), stream: 7)
            ).isEmpty)
    }

    @Test("answers of a stream out of the order of submission are found")
    func streamAnswerOrder() {
        #expect(
            !violations(
                submission(1, sealed(1), stream: 7, to: 9),
                submission(2, sealed(2), stream: 7, to: 8)
            ).isEmpty)
    }
}
