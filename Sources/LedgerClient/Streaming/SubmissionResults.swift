internal import TaskCoordination

/// The results of a stream of submissions, one for each event and in the events' order.
///
/// Events are pulled from the source only as results are taken: at most
/// ``LedgerClientConfiguration/streamWindow`` of them are under way. Iterate once: every iterator
/// submits the source anew. An error that is thrown comes from the source, after all results of the
/// events before it; or it says that the task was cancelled.
public struct SubmissionResults: AsyncSequence, Sendable {
    public typealias Element = SubmissionResult
    public typealias Failure = any Error

    private let start: @Sendable () -> BulkSubmission

    init(start: @escaping @Sendable () -> BulkSubmission) {
        self.start = start
    }

    /// Begins to submit.
    public func makeAsyncIterator() -> Iterator {
        Iterator(start())
    }

    /// Takes one result after another. When the iterator is gone, what was not answered yet is
    /// given up: its outcome is unknown.
    public struct Iterator: AsyncIteratorProtocol {
        private let running: Running

        init(_ submission: BulkSubmission) {
            running = Running(submission)
        }

        /// The next result, or nil behind the last one.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(any Error) -> SubmissionResult? {
            try await running.submission.nextResult()
        }
    }

    /// Ties the submitting task to the iterator's life.
    private final class Running: Sendable {
        let submission: BulkSubmission
        private let task: Task<Void, Never>

        init(_ submission: BulkSubmission) {
            self.submission = submission
            // An iterator has no scope of its own that could hold a child task.
            task = Task { await submission.run() }
        }

        deinit { task.cancel() }
    }
}

extension LedgerClient {
    /// Seals a stream of events, with many of them under way at a time.
    ///
    /// Where the connection breaks, and where the service lacks time or room, the events concerned
    /// are submitted again as the configuration's ``RetryPolicy`` allows. Events that are sealed at
    /// their first attempt keep their order; one that was submitted again may have a higher number
    /// than events behind it. An event that depends on another must wait for its result.
    ///
    /// - Parameters:
    ///   - events: The events; pulled one at a time, and never beyond the window.
    ///   - resolvingUnknown: Whether earlier submissions of these events ended with unknown
    ///     outcomes, as in ``submit(_:resolvingUnknown:)``.
    public func submitAll<Events: AsyncSequence & Sendable>(
        _ events: Events, resolvingUnknown: Bool = false
    ) -> SubmissionResults where Events.Element == CertifiedEvent {
        SubmissionResults {
            BulkSubmission(client: self, resolvingUnknown: resolvingUnknown) { submission in
                var index = 0
                for try await event in events {
                    guard await submission.admit(event, index: index) else { return }
                    index += 1
                }
            }
        }
    }
}
