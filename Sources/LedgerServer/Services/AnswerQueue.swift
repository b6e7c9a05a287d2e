import LedgerCore

/// The answers of one stream in the order of submission, however they come, and what it holds for them.
struct AnswerQueue {
    /// An answer before it is made into a message, which is the writer's work.
    enum Answer: Sendable {
        case outcome(LedgerCore.SubmissionOutcome, CertifiedEvent)
        case invalid(LedgerRPCError, eventID: String)

        /// The same answer as the stream's order allows it (protocol.md 21).
        fileprivate func ordered(by order: inout StreamOrder) -> Self {
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
        /// Not answered; submitted, once it has a token.
        case open(SubmissionToken?)
        case answered(Answer)

        var answer: Answer? {
            guard case .answered(let answer) = self else { return nil }
            return answer
        }
    }

    /// Answers that are taken out, and the bytes of their events.
    struct Ready {
        var answers: [Answer]
        var byteCount: Int
    }

    /// What an answer has beside its event: hashes, times, a message.
    private static let bytesBesideEvent = 256

    private let window: StreamAnswers.Window
    /// The places from `first` on.
    private var places: [Place] = []
    /// Bytes of the events at the places, in the same order.
    private var byteCounts: [Int] = []
    /// Bytes of the events whose answers are not written, those of `byteCounts` and those being written.
    private var held = 0
    private var first = 0
    private var order = StreamOrder()

    init(window: StreamAnswers.Window) {
        self.window = window
    }

    var isEmpty: Bool { places.isEmpty }

    /// Whether the next answer in order is there.
    var isReady: Bool { places.first?.answer != nil }

    /// Where all streams together hold too much, each goes on with one event at a time.
    var isFull: Bool {
        places.count >= window.events || held >= window.bytes
            || (held > 0 && window.total.isExceeded)
    }

    /// What was submitted and is not answered yet.
    var unanswered: [SubmissionToken] {
        places.compactMap { place in
            guard case .open(let token) = place else { return nil }
            return token
        }
    }

    /// The place of the next event.
    mutating func reserve(byteCount: Int, for token: SubmissionToken? = nil) -> Int {
        let byteCount = byteCount + Self.bytesBesideEvent
        window.total.take(byteCount)
        places.append(.open(token))
        byteCounts.append(byteCount)
        held += byteCount
        return first + places.count - 1
    }

    /// Gives the newest place back: there was no event.
    mutating func withdraw(_ place: Int) {
        assert(place == first + places.count - 1, "only the newest can be withdrawn")
        places.removeLast()
        giveBack(byteCounts.removeLast())
    }

    /// Names the submission at a place, before it is submitted.
    mutating func note(_ token: SubmissionToken, at place: Int) {
        places[place - first] = .open(token)
    }

    /// Gives the answer to the event at a place, once.
    ///
    /// - Returns: whether it is the next one in order.
    @discardableResult
    mutating func fill(_ place: Int, _ answer: Answer) -> Bool {
        places[place - first] = .answered(answer)
        return place == first
    }

    /// Gives the answers to the events at the places by which their submissions are labelled.
    ///
    /// - Returns: whether the next one in order is among them.
    @discardableResult
    mutating func settle(_ answers: [SubmissionAnswer]) -> Bool {
        var isNext = false
        for answer in answers {
            let place = Int(answer.submission.label)
            if fill(place, .outcome(answer.outcome, answer.submission.event)) { isNext = true }
        }
        return isNext
    }

    /// Takes out the answers that are next in order. They are held until `written` is told so.
    mutating func takeReady() -> Ready {
        let answers = places.prefix { $0.answer != nil }.compactMap(\.answer).map {
            $0.ordered(by: &order)
        }
        let byteCount = byteCounts.prefix(answers.count).reduce(0, +)
        places.removeFirst(answers.count)
        byteCounts.removeFirst(answers.count)
        first += answers.count
        return Ready(answers: answers, byteCount: byteCount)
    }

    /// So many bytes of what was taken out are with the caller's connection.
    mutating func written(_ byteCount: Int) { giveBack(byteCount) }

    /// Holds nothing any more: nobody will take answers out.
    mutating func giveUp() { giveBack(held) }

    private mutating func giveBack(_ byteCount: Int) {
        let given = min(byteCount, held)
        held -= given
        window.total.giveBack(given)
    }
}
