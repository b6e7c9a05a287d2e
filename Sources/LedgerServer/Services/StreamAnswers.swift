package import LedgerCore
import Synchronization

/// The answers of one stream between those who give them and the task that writes them.
///
/// Bounded: the reader waits while as many events as the window holds are accepted and not yet taken out by the
/// writer, so that a caller who does not read its answers is not read from either.
package final class StreamAnswers: SubmissionCaller {
    /// How much of a stream may be accepted whose answers its caller has not taken.
    package struct Window: Sendable {
        /// `LEDGER_MAX_STREAM_EVENTS`.
        var events: Int
        /// `LEDGER_MAX_STREAM_BYTES`: of the events; an answer has about as many.
        var bytes: Int
        /// `LEDGER_MAX_ANSWER_BYTES`, of all streams together.
        var total: AnswerBudget
    }

    private struct State {
        var queue: AnswerQueue
        var isReadingOver = false
        var isGivenUp = false
        var readError: (any Error)?
        var writer: CheckedContinuation<Void, Never>?
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>
    private let count: @Sendable (SubmissionAnswer) -> Void

    /// - Parameter count: called with every answer.
    init(window: Window, count: @escaping @Sendable (SubmissionAnswer) -> Void = { _ in }) {
        state = Mutex(State(queue: AnswerQueue(window: window)))
        self.count = count
    }

    deinit {
        state.withLock { $0.queue.giveUp() }
    }

    /// Why reading ended before the stream did.
    var readError: (any Error)? { state.withLock { $0.readError } }

    /// The place of the next event.
    func reserve(byteCount: Int) -> Int {
        state.withLock { $0.queue.reserve(byteCount: byteCount) }
    }

    /// Gives the newest place back: there was no event.
    func withdraw(_ place: Int) {
        state.withLock { $0.queue.withdraw(place) }
    }

    /// Names the submission at a place, before it is submitted.
    func note(_ token: SubmissionToken, at place: Int) {
        state.withLock { $0.queue.note(token, at: place) }
    }

    /// Gives the answer to the event at a place, once.
    func fill(_ place: Int, _ answer: AnswerQueue.Answer) {
        // Only the oldest unanswered one holds the writer up.
        state.withLock { $0.queue.fill(place, answer) ? $0.writer.take() : nil }?.resume()
    }

    /// Gives the answers to the events at the places by which their submissions are labelled.
    package func settle(_ answers: [SubmissionAnswer]) {
        for answer in answers { count(answer) }
        state.withLock { $0.queue.settle(answers) ? $0.writer.take() : nil }?.resume()
    }

    /// No further event will be reserved.
    func endReading(_ error: (any Error)?) {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.isReadingOver = true
            state.readError = error
            return state.writer.take()
        }?.resume()
    }

    /// Nobody will take answers out any more: the call has ended.
    ///
    /// What is in a transaction whose fate is open keeps this alive, and need not be counted for that.
    func giveUp() {
        state.withLock { state in
            state.isGivenUp = true
            state.queue.giveUp()
            return state.reader.take()
        }?.resume()
    }

    /// What was submitted and is not answered yet.
    var unanswered: [SubmissionToken] { state.withLock { $0.queue.unanswered } }

    /// The answers that were taken out last are with the caller's connection.
    func written(_ byteCount: Int) {
        state.withLock { state in
            state.queue.written(byteCount)
            return state.queue.isFull ? nil : state.reader.take()
        }?.resume()
    }

    /// Waits until the window has room, or nobody makes room any more.
    ///
    /// - Returns: whether reading is worth while.
    func waitForRoom() async -> Bool {
        let (mustWait, isGivenUp) = state.withLock { ($0.queue.isFull, $0.isGivenUp) }
        if isGivenUp { return false }
        guard mustWait else { return true }
        await withCheckedContinuation { continuation in
            state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard state.queue.isFull, !state.isGivenUp else { return continuation }
                state.reader = continuation
                return nil
            }?.resume()
        }
        return state.withLock { !$0.isGivenUp }
    }

    /// The answers that are next in order, at least one; nil when all were taken and no more will come. They are held
    /// until `written` is told so.
    func next() async throws(CancellationError) -> AnswerQueue.Ready? {
        while true {
            if Task.isCancelled { throw CancellationError() }
            let (ready, isOver) = state.withLock { state in
                let ready = state.queue.takeReady()
                return (ready, state.isReadingOver && state.queue.isEmpty)
            }
            if !ready.answers.isEmpty { return ready }
            if isOver { return nil }
            await waitForAnswer()
        }
    }

    private func waitForAnswer() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { state -> CheckedContinuation<Void, Never>? in
                    let isReady =
                        state.queue.isEmpty ? state.isReadingOver : state.queue.isReady
                    if isReady || Task.isCancelled { return continuation }
                    state.writer = continuation
                    return nil
                }?.resume()
            }
        } onCancel: {
            state.withLock { $0.writer.take() }?.resume()
        }
    }
}
