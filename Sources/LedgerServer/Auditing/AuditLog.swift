import Dispatch
package import Logging
package import PrometheusExposition
import ServiceLifecycle
import Synchronization

/// Writes a line of JSON for every submission (`LEDGER_AUDIT_LOG`), apart from the log.
///
/// Nothing waits for it: lines are queued, and written by a thread of their own. Where the queue is full, because whoever
/// reads does not, or the disk is full, lines are dropped, counted, and told of in the log. A file is opened to append, and
/// opened again when another one is at its path, so that it can be moved away at any time.
package final class AuditLog: Service, Sendable {
    /// The most lines that wait to be written.
    package static let maxQueued = 16_384
    /// How long lines may still be written when the service stops.
    private static let stopPatience = Duration.seconds(2)

    private struct State {
        var waiting: [AuditEntry] = []
        var isWriting = false
        var lost = 0
        var lostSince: ContinuousClock.Instant?
    }

    /// How many lines were written.
    package let written = PrometheusCounter()
    /// How many were lost.
    package let dropped = PrometheusCounter()

    private let state = Mutex(State())
    private let output: AuditOutput
    private let queue = DispatchQueue(label: "audit-log")
    private let logger: Logger
    private let maxQueued: Int

    /// - Parameters:
    ///   - destination: where lines go.
    ///   - maxQueued: smaller in tests.
    /// - Throws: the setting, where the file cannot be opened.
    package init(
        _ destination: AuditDestination, logger: Logger, maxQueued: Int = AuditLog.maxQueued
    ) throws(ConfigurationError) {
        output = try AuditOutput(destination)
        self.logger = logger
        self.maxQueued = maxQueued
    }

    /// Writes a line soon, or drops it; never waits.
    package func record(_ entry: @autoclosure () -> AuditEntry) {
        let (starts, loss) = state.withLock { state -> (Bool, Int?) in
            guard state.waiting.count < maxQueued else { return (false, note(1, &state)) }
            state.waiting.append(entry())
            if state.isWriting { return (false, nil) }
            state.isWriting = true
            return (true, nil)
        }
        if starts { queue.async { self.write() } }
        if let loss { tell(loss) }
    }

    /// Writes what waits, until nothing does.
    private func write() {
        while true {
            let entries = state.withLock { state in
                defer { state.waiting = [] }
                if state.waiting.isEmpty { state.isWriting = false }
                return state.waiting
            }
            if entries.isEmpty { return }
            var text = ""
            for entry in entries { text += entry.line + "\n" }
            if output.append(Array(text.utf8)) {
                written.increment(by: Int64(entries.count))
            } else if let loss = state.withLock({ note(entries.count, &$0) }) {
                tell(loss)
            }
        }
    }

    /// Counts lines that are lost.
    ///
    /// - Returns: how many are to be told now: those of a minute are told together.
    private func note(_ count: Int, _ state: inout State) -> Int? {
        dropped.increment(by: Int64(count))
        state.lost += count
        let now = ContinuousClock.now
        if let since = state.lostSince, since.duration(to: now) < LogThrottle.interval {
            return nil
        }
        state.lostSince = now
        defer { state.lost = 0 }
        return state.lost
    }

    private func tell(_ loss: Int) {
        logger.error("lines of the audit log were lost", metadata: ["lines": "\(loss)"])
    }

    /// Waits until the service stops, then until what was recorded is written.
    package func run() async {
        try? await gracefulShutdown()
        let end = ContinuousClock.now.advanced(by: Self.stopPatience)
        while state.withLock({ $0.isWriting }), ContinuousClock.now < end {
            guard (try? await Task.sleep(for: .milliseconds(5))) != nil else { return }
        }
    }
}

extension LedgerMetrics {
    /// Shows what became of the lines of the audit log; without one every series is there with 0.
    package func observe(auditLog log: AuditLog?) {
        registry.sampled(
            "ledger_audit_log_lines_total", .counter,
            help: "Lines of the audit log that were written."
        ) { Double(log?.written.total ?? 0) }
        registry.sampled(
            "ledger_audit_log_dropped_total", .counter,
            help: "Lines of the audit log that were lost, for they could not be written in time."
        ) { Double(log?.dropped.total ?? 0) }
    }
}
