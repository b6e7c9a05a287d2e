package import Logging
import Synchronization

/// Keeps the messages of a log, and their codes.
package struct LogRecorder: LogHandler {
    private final class Lines: Sendable {
        let all = Mutex<[(message: String, code: String?)]>([])
    }

    private let lines = Lines()
    package var metadata: Logger.Metadata = [:]
    package var logLevel = Logger.Level.trace

    package init() {}

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let code = event.metadata?["code"].map { "\($0)" }
        lines.all.withLock { $0.append(("\(event.message)", code)) }
    }

    package func count(of message: String) -> Int {
        lines.all.withLock { $0.count { $0.message == message } }
    }

    /// What tells lines of one message apart for the log's throttle.
    package func codes(of message: String) -> [String?] {
        lines.all.withLock { $0.filter { $0.message == message }.map(\.code) }
    }
}
