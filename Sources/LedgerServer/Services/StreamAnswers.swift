package import LedgerCore
import Synchronization

/// The answers of one stream in the order of submission, however they come.
///
/// Bounded: the reader waits while as many events as the window holds are accepted and not yet taken out by the
/// writer, so that a caller who does not read its answers is not read from either.
package final class StreamAnswers: SubmissionCaller {
    /// An answer before it is made into a message, which is the writer's work.
    enum Answer: Sendable {
        case outcome(LedgerCore.SubmissionOutcome, CertifiedEvent)
        case invalid(LedgerRPCError, eventID: String)

        /// The same answer as the stream's order allows it (protocol.md 21).
        func ordered(by order: inout StreamOrder) -> Self {
            guard case .outcome(let outcome, let event) = self else { return self }
            return .outcome(order.next(outcome, of: event), event)
        }

        var report: SubmissionReport {
            switch self {
            case .outcome(let outcome, let event): SubmissionReport(outcome, of: event)
            case .invalid(let error, let eventID):
                .rejected(error, eventID: eventID, original: nil)
            }
        }
    }

    /// What is known of one event of the stream.
    private enum Place {
        case reserved
        case submitted(SubmissionToken)
        case answered(Answer)

        var answer: Answer? {
            guard case .answered(let answer) = self else { return nil }
            return answer
        }
    }

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
        /// The places from `first` on.
        var places: [Place] = []
        /// Bytes of the events at the places, in the same order.
        var byteCounts: [Int] = []
        /// Bytes of the events whose answers are not written, those of `byteCounts` and those being written.
        var held = 0
        var first = 0
        var isReadingOver = false
        var isGivenUp = false
        var readError: (any Error)?
        var order = StreamOrder()
        var writer: CheckedContinuation<Void, Never>?
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let window: Window
    private let count: @Sendable (LedgerCore.SubmissionOutcome) -> Void

    /// - Parameter count: called with every outcome.
    init(
        window: Window,
        count: @escaping @Sendable (LedgerCore.SubmissionOutcome) -> Void = { _ in }
    ) {
        self.window = window
        self.count = count
    }

    deinit {
        window.total.giveBack(state.withLock { $0.held })
    }

    /// Why reading ended before the stream did.
    var readError: (any Error)? { state.withLock { $0.readError } }

    /// The place of the next event.
    func reserve(byteCount: Int) -> Int {
        let byteCount = byteCount + Self.bytesBesideEvent
        window.total.take(byteCount)
        return state.withLock { state in
            state.places.append(.reserved)
            state.byteCounts.append(byteCount)
            state.held += byteCount
            return state.first + state.places.count - 1
        }
    }

    /// Gives the newest place back: there was no event.
    func withdraw(_ place: Int) {
        let byteCount = state.withLock { state in
            assert(
                place == state.first + state.places.count - 1, "only the newest can be withdrawn")
            state.places.removeLast()
            let byteCount = min(state.byteCounts.removeLast(), state.held)
            state.held -= byteCount
            return byteCount
        }
        window.total.giveBack(byteCount)
    }

    /// Names the submission at a place.
    func note(_ token: SubmissionToken, at place: Int) {
        state.withLock { state in
            let index = place - state.first
            guard index >= 0, case .reserved = state.places[index] else { return }
            state.places[index] = .submitted(token)
        }
    }

    /// Gives the answer to the event at a place, once.
    func fill(_ place: Int, _ answer: Answer) {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.places[place - state.first] = .answered(answer)
            // Only the oldest unanswered one holds the writer up.
            guard place == state.first else { return nil }
            return state.writer.take()
        }?.resume()
    }

    /// Gives the answers to the events at the places by which their submissions are labelled.
    package func settle(_ answers: [SubmissionAnswer]) {
        for answer in answers { count(answer.outcome) }
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            var isOldest = false
            for answer in answers {
                let place = Int(answer.submission.label)
                state.places[place - state.first] = .answered(
                    .outcome(answer.outcome, answer.submission.event))
                isOldest = isOldest || place == state.first
            }
            return isOldest ? state.writer.take() : nil
        }?.resume()
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
        let (reader, held) = state.withLock { state in
            state.isGivenUp = true
            return (state.reader.take(), exchange(&state.held, with: 0))
        }
        window.total.giveBack(held)
        reader?.resume()
    }

    /// What was submitted and is not answered yet.
    var unanswered: [SubmissionToken] {
        state.withLock { state in
            state.places.compactMap { place in
                guard case .submitted(let token) = place else { return nil }
                return token
            }
        }
    }

    /// What an answer has beside its event: hashes, times, a message.
    private static let bytesBesideEvent = 256

    /// Where all streams together hold too much, each goes on with one event at a time.
    private func isFull(_ state: State) -> Bool {
        state.places.count >= window.events || state.held >= window.bytes
            || (state.held > 0 && window.total.isExceeded)
    }

    /// The answers that were taken out last are with the caller's connection.
    func written(_ byteCount: Int) {
        let (reader, given) = state.withLock { state in
            let given = min(byteCount, state.held)
            state.held -= given
            return (isFull(state) ? nil : state.reader.take(), given)
        }
        window.total.giveBack(given)
        reader?.resume()
    }

    /// Waits until the window has room, or nobody makes room any more.
    ///
    /// - Returns: whether reading is worth while.
    func waitForRoom() async -> Bool {
        let (mustWait, isGivenUp) = state.withLock { (isFull($0), $0.isGivenUp) }
        if isGivenUp { return false }
        guard mustWait else { return true }
        await withCheckedContinuation { continuation in
            state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard isFull(state), !state.isGivenUp else { return continuation }
                state.reader = continuation
                return nil
            }?.resume()
        }
        return state.withLock { !$0.isGivenUp }
    }

    /// Answers that are taken out, at least one, and the bytes of their events.
    struct Ready {
        var reports: [SubmissionReport]
        var byteCount: Int
    }

    /// The answers that are next in order; nil when all were taken and no more will come. They are held until
    /// `written` is told so.
    func next() async throws(CancellationError) -> Ready? {
        while true {
            if Task.isCancelled { throw CancellationError() }
            let (ready, byteCount, isOver) = state.withLock { state in
                let ready = state.places.prefix { $0.answer != nil }.compactMap(\.answer).map {
                    $0.ordered(by: &state.order)
                }
                let count = ready.count
                let byteCount = state.byteCounts.prefix(count).reduce(0, +)
                state.places.removeFirst(count)
                state.byteCounts.removeFirst(count)
                state.first += count
                let isOver = state.isReadingOver && state.places.isEmpty
                return (ready, byteCount, isOver)
            }
            if !ready.isEmpty {
                return Ready(reports: ready.map(\.report), byteCount: byteCount)
            }
            if isOver { return nil }
            await waitForAnswer()
        }
    }

    private func waitForAnswer() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { state -> CheckedContinuation<Void, Never>? in
                    let isReady = state.places.first.map { $0.answer != nil } ?? state.isReadingOver
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
