import LedgerCore
import Synchronization

/// The answers of one stream in the order of submission, however they come.
///
/// Bounded: the reader waits while as many events as the window holds are accepted and not yet taken out by the
/// writer, so that a caller who does not read its answers is not read from either.
final class StreamAnswers: Sendable {
    /// An answer before it is made into a message, which is the writer's work.
    enum Answer: Sendable {
        case outcome(LedgerCore.SubmissionOutcome, CertifiedEvent)
        case invalid(LedgerRPCError, eventID: String)

        /// The same answer as the stream's order allows it (PROTOCOL.md 21).
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

    private struct State {
        /// The places from `first` on.
        var places: [Place] = []
        var first = 0
        var readyCount = 0
        var isReadingOver = false
        var isGivenUp = false
        var readError: (any Error)?
        var order = StreamOrder()
        var writer: CheckedContinuation<Void, Never>?
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let window: Int

    init(window: Int) {
        self.window = window
    }

    /// Why reading ended before the stream did.
    var readError: (any Error)? { state.withLock { $0.readError } }

    /// The place of the next event.
    func reserve() -> Int {
        state.withLock { state in
            state.places.append(.reserved)
            return state.first + state.places.count - 1
        }
    }

    /// Names the submission at a place, which may be answered already.
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

    /// No further event will be reserved.
    func endReading(_ error: (any Error)?) {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.isReadingOver = true
            state.readError = error
            return state.writer.take()
        }?.resume()
    }

    /// Nobody will take answers out any more: the call has ended.
    func giveUp() {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.isGivenUp = true
            return state.reader.take()
        }?.resume()
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

    /// Waits until the window has room, or nobody makes room any more.
    ///
    /// - Returns: whether reading is worth while.
    func waitForRoom() async -> Bool {
        let (isFull, isGivenUp) = state.withLock { ($0.places.count >= window, $0.isGivenUp) }
        if isGivenUp { return false }
        guard isFull else { return true }
        await withCheckedContinuation { continuation in
            state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard state.places.count >= window, !state.isGivenUp else { return continuation }
                state.reader = continuation
                return nil
            }?.resume()
        }
        return state.withLock { !$0.isGivenUp }
    }

    /// The answers that are next in order, at least one; nil when all were taken and no more will come.
    func next() async throws(CancellationError) -> [SubmissionReport]? {
        while true {
            if Task.isCancelled { throw CancellationError() }
            let (ready, isOver, reader) = state.withLock { state in
                let ready = state.places.prefix { $0.answer != nil }.compactMap(\.answer).map {
                    $0.ordered(by: &state.order)
                }
                let count = ready.count
                state.places.removeFirst(count)
                state.first += count
                let isOver = state.isReadingOver && state.places.isEmpty
                return (ready, isOver, count > 0 ? state.reader.take() : nil)
            }
            reader?.resume()
            if !ready.isEmpty { return ready.map(\.report) }
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
