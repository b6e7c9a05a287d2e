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

    private struct State {
        /// The answers from `first` on; nil where none has come.
        var answers: [Answer?] = []
        var first = 0
        var readyCount = 0
        var isReadingOver = false
        var isAbandoned = false
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
            state.answers.append(nil)
            return state.first + state.answers.count - 1
        }
    }

    /// Gives the answer to the event at a place, once.
    func fill(_ place: Int, _ answer: Answer) {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.answers[place - state.first] = answer
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

    /// Nobody will take answers out any more: the caller is gone.
    func abandon() {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.isAbandoned = true
            return state.reader.take()
        }?.resume()
    }

    /// Waits until the window has room, or nobody makes room any more.
    ///
    /// - Returns: whether reading is worth while.
    func waitForRoom() async -> Bool {
        let (isFull, isAbandoned) = state.withLock { ($0.answers.count >= window, $0.isAbandoned) }
        if isAbandoned { return false }
        guard isFull else { return true }
        await withCheckedContinuation { continuation in
            state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard state.answers.count >= window, !state.isAbandoned else { return continuation }
                state.reader = continuation
                return nil
            }?.resume()
        }
        return state.withLock { !$0.isAbandoned }
    }

    /// The answers that are next in order, at least one; nil when all were taken and no more will come.
    func next() async -> [SubmissionReport]? {
        while true {
            let (ready, isOver, reader) = state.withLock { state in
                let count = state.answers.firstIndex { $0 == nil } ?? state.answers.count
                let ready = state.answers.prefix(count).compactMap { $0 }.map {
                    $0.ordered(by: &state.order)
                }
                state.answers.removeFirst(count)
                state.first += count
                let isOver = state.isReadingOver && state.answers.isEmpty
                return (ready, isOver, count > 0 ? state.reader.take() : nil)
            }
            reader?.resume()
            if !ready.isEmpty { return ready.map(\.report) }
            if isOver { return nil }
            await waitForAnswer()
        }
    }

    private func waitForAnswer() async {
        await withCheckedContinuation { continuation in
            state.withLock { state -> CheckedContinuation<Void, Never>? in
                let isReady = state.answers.first.map { $0 != nil } ?? state.isReadingOver
                if isReady { return continuation }
                state.writer = continuation
                return nil
            }?.resume()
        }
    }
}
