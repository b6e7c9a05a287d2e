package import Logging
import Synchronization

/// Holds back lines of the log that say again what was said within the last minute, so that a storm has the first of its
/// kind, and one a minute with the number of those between. What tells of a change (level notice, or a failure's
/// `code`, which is told when it changes) has a few a minute, for the last one must not be hidden; what is critical, and
/// what somebody asked for (debug, trace), is never held back.
package final class LogThrottle: Sendable {
    /// How long one kind of line counts.
    package static let interval = Duration.seconds(60)
    /// So many lines of one kind that tell of a change are written within that time.
    package static let changes = 10
    /// The most kinds that are told apart; while there are more, further ones are not held back.
    package static let maxKinds = 512

    /// Metadata that make lines of the same text different kinds. Others, such as an error's text or a number, do not.
    private static let telling = [
        "address", "code", "condition", "endpoint", "finding", "key", "member", "path", "place",
        "port", "reason", "sealer", "state", "witness",
    ]

    private struct Kind {
        var since: ContinuousClock.Instant
        var written = 1
        var heldBack = 0
    }

    private let kinds = Mutex<[String: Kind]>([:])
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter now: replaced in tests.
    package init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.now = now
    }

    /// Whether a line is written, and how many of its kind were held back before it; nil where it is held back.
    package func admit(
        _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, label: String
    ) -> Int? {
        guard level >= .info, level < .critical else { return 0 }
        let tellsOfChange = level == .notice || metadata["code"] != nil
        let allowed = tellsOfChange ? Self.changes : 1
        let kind = Self.kind(level, message, metadata, label)
        let now = now()
        return kinds.withLock { kinds in
            if let known = kinds[kind], known.since.duration(to: now) < Self.interval {
                guard known.written < allowed else {
                    kinds[kind]?.heldBack += 1
                    return nil
                }
                kinds[kind]?.written += 1
                return 0
            }
            let heldBack = kinds[kind]?.heldBack ?? 0
            if kinds.count >= Self.maxKinds {
                kinds = kinds.filter { $0.value.since.duration(to: now) < Self.interval }
            }
            if kinds.count < Self.maxKinds { kinds[kind] = Kind(since: now) }
            return heldBack
        }
    }

    private static func kind(
        _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, _ label: String
    ) -> String {
        var kind = "\(level) \(label) \(message)"
        for key in telling {
            if let value = metadata[key] { kind += "\u{0}\(key)=\(value)" }
        }
        return kind
    }
}
