import GRPCEdge
import Tracing

/// The span of one call.
final class CallSpan: CallRecorder {
    let traced: TracedCall
    private let span: any Tracing.Span

    /// Codes that are the server's failures (OpenTelemetry's conventions for gRPC): the others are the caller's.
    private static let failures: Set<Int> = [2, 4, 12, 13, 14, 15]

    init(_ span: any Tracing.Span, since begin: TraceInstant, of traces: Traces) {
        self.span = span
        traced = TracedCall(traces: traces, context: span.context, begin: begin)
    }

    var traceParent: String? { traced.traces.traceParent(of: span.context) }

    func ended(code: Int) {
        let name = CallMetrics.codes[code]
        span.attributes["rpc.response.status_code"] = name
        if Self.failures.contains(code) {
            span.attributes["error.type"] = name
            span.setStatus(.init(code: .error))
        }
        span.end(at: traced.traces.now)
    }
}
