import LedgerCore
import Testing

@testable import LedgerServer

@Suite("The answers of a stream", .timeLimit(.minutes(1)))
struct StreamAnswersTests {
    private static let rejection = AnswerQueue.Answer.invalid(
        .invalidEvent(field: "event_id", "too long"), eventID: "a")

    private static func window(
        _ events: Int, bytes: Int = 1 << 20, total: Int = 1 << 20
    ) -> StreamAnswers.Window {
        .init(events: events, bytes: bytes, total: AnswerBudget(limit: total))
    }

    @Test("a stream holds so many bytes, counted until they are written")
    func bytes() async throws {
        let answers = StreamAnswers(window: Self.window(100, bytes: 1_000))
        let place = answers.reserve(byteCount: 2_000)
        answers.fill(place, Self.rejection)
        let ready = try #require(try await answers.next())
        async let mayRead = answers.waitForRoom()
        #expect(ready.byteCount >= 2_000)
        answers.written(ready.byteCount)
        #expect(await mayRead)
    }

    @Test("where all streams hold too much, each goes on with one event at a time")
    func totalBytes() async throws {
        let window = Self.window(100, total: 1_000)
        let one = StreamAnswers(window: window)
        let other = StreamAnswers(window: window)
        _ = one.reserve(byteCount: 2_000)
        // The other holds nothing itself, and so may have one.
        #expect(await other.waitForRoom())
        let place = other.reserve(byteCount: 1)
        async let mayRead = other.waitForRoom()
        other.fill(place, Self.rejection)
        let ready = try #require(try await other.next())
        other.written(ready.byteCount)
        #expect(await mayRead)
        #expect(window.total.held >= 2_000)
    }

    @Test("what a stream that has ended held is given back")
    func givenBack() {
        let window = Self.window(100)
        do {
            let answers = StreamAnswers(window: window)
            _ = answers.reserve(byteCount: 2_000)
        }
        #expect(window.total.held == 0)
    }

    @Test("a place for what was no event is given back")
    func withdrawn() async throws {
        let window = Self.window(100)
        let answers = StreamAnswers(window: window)
        let first = answers.reserve(byteCount: 1)
        answers.withdraw(answers.reserve(byteCount: 9_000))
        answers.endReading(nil)
        answers.fill(first, Self.rejection)
        #expect(try await answers.next()?.answers.count == 1)
        #expect(try await answers.next() == nil)
        #expect(window.total.held < 9_000)
    }

    @Test("a writer that is cancelled waits no longer")
    func cancelledWriter() async {
        let answers = StreamAnswers(window: Self.window(4))
        let place = answers.reserve(byteCount: 10)
        let writer = Task { try await answers.next() }
        writer.cancel()
        await #expect(throws: CancellationError.self) { try await writer.value }
        // What comes then is for nobody.
        answers.fill(place, Self.rejection)
    }

    @Test("a reader that waits for room is freed where nobody makes any")
    func givenUp() async {
        let answers = StreamAnswers(window: Self.window(1))
        _ = answers.reserve(byteCount: 10)
        async let mayRead = answers.waitForRoom()
        answers.giveUp()
        #expect(await !mayRead)
    }

    @Test("what is unanswered is known by name, so that it can be cancelled")
    func unanswered() async throws {
        let answers = StreamAnswers(window: Self.window(4))
        let places = (0..<4).map { _ in answers.reserve(byteCount: 10) }
        answers.note(SubmissionToken(rawValue: 1), at: places[0])
        answers.fill(places[0], Self.rejection)
        answers.note(SubmissionToken(rawValue: 2), at: places[1])
        answers.note(SubmissionToken(rawValue: 3), at: places[2])
        answers.fill(places[2], Self.rejection)
        #expect(answers.unanswered == [SubmissionToken(rawValue: 2)])
        #expect(try await answers.next()?.answers.count == 1)
        #expect(answers.unanswered == [SubmissionToken(rawValue: 2)])
    }
}
