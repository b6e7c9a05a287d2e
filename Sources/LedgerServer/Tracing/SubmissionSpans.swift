import Instrumentation
import LedgerCore
import Synchronization
import Tracing

/// The spans of one submission: `queue`, then `commit` here or `forward` to the replica that seals, and within them
/// `resolve` while an outcome is read back. One after another, so that at most two are open.
///
/// Told from any thread, of one submission by one at a time, but for the end, which may come at any time.
final class SubmissionSpans: SubmissionTrace {
    private struct Open {
        /// Nil once the submission is answered.
        var span: (any Tracing.Span)?
        var resolve: (any Tracing.Span)?
        /// What another replica is told of `forward`.
        var traceParent: [UInt8] = []
    }

    private let call: TracedCall
    private let open: Mutex<Open>

    /// It waits from now on.
    init(in call: TracedCall) {
        self.call = call
        open = Mutex(
            Open(span: call.traces.start("queue", in: call.context, at: call.traces.now)))
    }

    /// Nobody was told of it: its caller has gone, or the replica has ended.
    deinit { end { $0.attributes["ledger.outcome"] = "abandoned" } }

    func sealing(events: Int) {
        next("commit", .internal) { $0.attributes["ledger.batch.events"] = Int64(events) }
    }

    func forwarding() {
        let context = next("forward", .client) { _ in }
        guard let context, let text = call.traces.traceParent(of: context) else { return }
        open.withLock { $0.traceParent = Array(text.utf8) }
    }

    var traceParent: [UInt8] { open.withLock { $0.traceParent } }

    func resolving() {
        let traces = call.traces
        open.withLock { open in
            guard let span = open.span, open.resolve == nil else { return }
            open.resolve = traces.start("resolve", in: span.context, at: traces.now)
        }
    }

    func settled(_ outcome: SubmissionOutcome) {
        let label = SubmissionOutcomeLabel(outcome).rawValue
        end { span in
            span.attributes["ledger.outcome"] = label
            if case .sealed(let seal, _) = outcome {
                span.attributes["ledger.sequence_number"] = Int64(
                    clamping: seal.sequenceNumber.rawValue)
            }
            switch outcome {
            case .sealed, .duplicate, .conflicting: break
            case .notSealed, .unknown: span.setStatus(.init(code: .error, message: label))
            }
        }
    }

    /// One span ends, the next one begins.
    ///
    /// - Returns: the context of the next one; nil where the submission is answered already.
    @discardableResult
    private func next(
        _ name: String, _ kind: SpanKind, _ describe: (any Tracing.Span) -> Void
    ) -> InstrumentationContext? {
        let now = call.traces.now
        return open.withLock { open in
            guard let span = open.span else { return nil }
            open.resolve?.end(at: now)
            span.end(at: now)
            let next = call.traces.start(name, in: call.context, kind, at: now)
            describe(next)
            open = Open(span: next)
            return next.context
        }
    }

    private func end(_ describe: (any Tracing.Span) -> Void) {
        let ended = open.withLock { open in
            defer { open = Open() }
            return open
        }
        let now = call.traces.now
        for span in [ended.resolve, ended.span].compactMap({ $0 }) {
            describe(span)
            span.end(at: now)
        }
    }
}
