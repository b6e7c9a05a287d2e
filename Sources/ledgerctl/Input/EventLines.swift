internal import LedgerClient
internal import Synchronization

/// The events of a JSON Lines file, for submitting them while the file is read.
///
/// Lines that are no events are reported and left out. Results come in the order of the events, so
/// a queue of line numbers tells which line a result belongs to.
final class EventLines: AsyncSequence, Sendable {
    typealias Element = CertifiedEvent
    typealias Failure = any Error

    private struct State {
        var lineNumbers: [Int] = []
        var firstLine = 0
        var lastLine = 0
        var bytesRead: UInt64 = 0
        var badLines = 0
        var isStopped = false
    }

    private let reader: ChunkReader
    private let defaultTimestamp: Int64?
    private let reportBadLine: @Sendable (Int, EventLine.Problem) -> Void
    private let state = Mutex(State())

    init(
        reader: ChunkReader, defaultTimestamp: Int64?,
        reportBadLine: @escaping @Sendable (Int, EventLine.Problem) -> Void
    ) {
        self.reader = reader
        self.defaultTimestamp = defaultTimestamp
        self.reportBadLine = reportBadLine
    }

    /// How far the file was read, and how many of its lines were no events.
    var progress: (bytesRead: UInt64, lastLine: Int, badLines: Int) {
        state.withLock { ($0.bytesRead, $0.lastLine, $0.badLines) }
    }

    /// The length of the file, where it is known.
    var byteCount: UInt64? { reader.byteCount }

    /// Ends the sequence at the next line.
    func stop() {
        state.withLock { $0.isStopped = true }
    }

    /// The line of the next result; call it once for every result.
    func takeLineNumber() -> Int {
        state.withLock { state in
            guard state.firstLine < state.lineNumbers.count else { return 0 }
            let number = state.lineNumbers[state.firstLine]
            state.firstLine += 1
            if state.firstLine >= 4096 {
                state.lineNumbers.removeFirst(state.firstLine)
                state.firstLine = 0
            }
            return number
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(lines: self)
    }

    struct Iterator: AsyncIteratorProtocol {
        private let lines: EventLines
        private var splitter = LineSplitter()
        private var ready: [LineSplitter.Line] = []
        private var isAtEnd = false

        fileprivate init(lines: EventLines) {
            self.lines = lines
        }

        mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(any Error) -> CertifiedEvent? {
            while !lines.state.withLock(\.isStopped) {
                if let line = ready.popLast() {
                    if let event = lines.take(line) { return event }
                } else if isAtEnd {
                    return nil
                } else {
                    try await read()
                }
            }
            return nil
        }

        private mutating func read() async throws {
            if let chunk = try await lines.reader.next() {
                lines.state.withLock { $0.bytesRead += UInt64(chunk.count) }
                ready = splitter.append(chunk).reversed()
            } else {
                isAtEnd = true
                ready = splitter.finish().map { [$0] } ?? []
            }
        }
    }

    /// The event on a line; nil where the line is empty or no event.
    private func take(_ line: LineSplitter.Line) -> CertifiedEvent? {
        let number = state.withLock { state in
            state.lastLine += 1
            return state.lastLine
        }
        do throws(EventLine.Problem) {
            guard case .complete(let bytes) = line else {
                throw EventLine.Problem(
                    description: "longer than \(LineSplitter.maximumLength) bytes")
            }
            if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { return nil }
            let event = try EventLine.parse(bytes, defaultTimestamp: defaultTimestamp)
            state.withLock { $0.lineNumbers.append(number) }
            return event
        } catch {
            state.withLock { $0.badLines += 1 }
            reportBadLine(number, error)
            return nil
        }
    }
}
