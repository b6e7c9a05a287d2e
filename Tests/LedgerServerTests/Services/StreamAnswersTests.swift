import LedgerCore
import Testing

@testable import LedgerServer

@Suite("The answers of a stream", .timeLimit(.minutes(1)))
struct StreamAnswersTests {
    private static let rejection = StreamAnswers.Answer.invalid(
        .invalidEvent(field: "event_id", "too long"), eventID: "a")

    @Test("a writer that is cancelled waits no longer")
    func cancelledWriter() async {
        let answers = StreamAnswers(window: 4)
        let place = answers.reserve()
        let writer = Task { try await answers.next() }
        writer.cancel()
        await #expect(throws: CancellationError.self) { try await writer.value }
        // What comes then is for nobody.
        answers.fill(place, Self.rejection)
    }

    @Test("a reader that waits for room is freed where nobody makes any")
    func givenUp() async {
        let answers = StreamAnswers(window: 1)
        _ = answers.reserve()
        async let mayRead = answers.waitForRoom()
        answers.giveUp()
        #expect(await !mayRead)
    }

    @Test("what is unanswered is known by name, so that it can be cancelled")
    func unanswered() async throws {
        let answers = StreamAnswers(window: 4)
        let places = (0..<4).map { _ in answers.reserve() }
        // An answer may come before its submission is noted.
        answers.fill(places[0], Self.rejection)
        answers.note(SubmissionToken(rawValue: 1), at: places[0])
        answers.note(SubmissionToken(rawValue: 2), at: places[1])
        answers.note(SubmissionToken(rawValue: 3), at: places[2])
        answers.fill(places[2], Self.rejection)
        #expect(answers.unanswered == [SubmissionToken(rawValue: 2)])
        #expect(try await answers.next()?.count == 1)
        // Taken out already.
        answers.note(SubmissionToken(rawValue: 1), at: places[0])
        #expect(answers.unanswered == [SubmissionToken(rawValue: 2)])
    }
}
