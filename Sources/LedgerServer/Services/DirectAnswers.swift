import Synchronization

/// Takes what is to be done from whichever thread has it to an event loop: a whole batch with one hop.
final class DirectAnswers: Sendable {
    private let hop: @Sendable (@escaping @Sendable () -> Void) -> Void
    private let waiting = Mutex<[@Sendable () -> Void]>([])

    /// - Parameter hop: runs what it is given on the event loop, soon.
    init(hop: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
        self.hop = hop
    }

    /// Has `answer` run on the event loop soon, after those that were given before.
    func give(_ answer: @escaping @Sendable () -> Void) {
        let isFirst = waiting.withLock { waiting in
            waiting.append(answer)
            return waiting.count == 1
        }
        // Whoever was first has the others done as well.
        guard isFirst else { return }
        hop {
            let answers = self.waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            for answer in answers { answer() }
        }
    }
}
