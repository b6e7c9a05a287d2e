internal import TaskCoordination

/// Sealed events in order, read from the service as the consumer takes them.
///
/// Every iterator reads anew. Errors are ``LedgerError``s.
public struct SealedEventSequence: AsyncSequence, Sendable {
    public typealias Element = SealedEvent
    public typealias Failure = any Error

    let client: LedgerClient
    let first: UInt64
    let last: UInt64
    let follow: Bool

    /// Begins to read.
    public func makeAsyncIterator() -> Iterator {
        Iterator(
            reader: SealedEventReader(client: client, first: first, last: last, follow: follow))
    }

    /// Takes one event after another; reading stops when the iterator is gone.
    public struct Iterator: AsyncIteratorProtocol {
        private let reading: Reading

        init(reader: SealedEventReader) {
            reading = Reading(reader)
        }

        /// The next event, or nil behind the last one.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(any Error) -> SealedEvent? {
            guard let result = await reading.reader.events.next() else {
                try Task.checkCancellation()
                return nil
            }
            reading.reader.window.release()
            return try result.get()
        }
    }

    /// Ties the reading task to the iterator's life.
    private final class Reading: Sendable {
        let reader: SealedEventReader
        private let task: Task<Void, Never>

        init(_ reader: SealedEventReader) {
            self.reader = reader
            // An iterator has no scope of its own that could hold a child task.
            task = Task { await reader.run() }
        }

        deinit { task.cancel() }
    }
}
