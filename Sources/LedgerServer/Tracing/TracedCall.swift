import GRPCCore
import GRPCEdge
import Instrumentation
import LedgerCore
import OTLPExport
import Tracing

/// A call, or another replica's forwarding, in which submissions are traced.
struct TracedCall: Sendable {
    let traces: Traces
    let context: InstrumentationContext
    /// Nothing in it is earlier.
    let begin: TraceInstant

    /// The call that a direct service was handed; nil where it is not traced.
    static func of(_ context: CallContext?) -> TracedCall? {
        (context?.recording?.recorder as? CallSpan)?.traced
    }

    /// The call that the gRPC library was handed; nil where it is not traced.
    static func of(_ metadata: Metadata, _ traces: Traces?) -> TracedCall? {
        guard let traces,
            let text = metadata[stringValues: CallContext.spanName].first(where: { _ in true })
        else { return nil }
        let arrival = metadata[stringValues: RequestHead.arrivalName].first { _ in true }
        return TracedCall(
            traces: traces, context: traces.context(text),
            begin: arrival.flatMap { UInt64($0) }.map { traces.instant(of: $0) } ?? traces.now)
    }

    /// A span in which another replica has forwarded an event; nil where it named none that is valid.
    static func of(forwarded traceParent: [UInt8], _ traces: Traces?) -> TracedCall? {
        guard let traces, SpanContext(traceParent: traceParent)?.isSampled == true else {
            return nil
        }
        let text = String(decoding: traceParent, as: UTF8.self)
        return TracedCall(traces: traces, context: traces.context(text), begin: traces.now)
    }

    /// Traces an event that was received here, and is submitted now.
    ///
    /// - Parameter age: how long ago it was there.
    func received(_ event: CertifiedEvent, age: Nanoseconds) -> SubmissionSpans {
        let receive = traces.start(
            "receive", in: context, at: max(begin, traces.now.earlier(by: age)))
        receive.attributes["ledger.event_id"] = String(
            decoding: event.eventID.utf8, as: UTF8.self)
        receive.end(at: traces.now)
        return SubmissionSpans(in: self)
    }
}
