import Instrumentation
import OTLPExport

/// What carries a context from one process to the next: `traceparent`, and nothing else.
struct TraceCarrier: Sendable {
    var traceParent: String?

    init(_ traceParent: String?) {
        self.traceParent = traceParent
    }

    struct Access: Extractor, Injector {
        func extract(key: String, from carrier: TraceCarrier) -> String? {
            key.lowercased() == SpanContext.headerName ? carrier.traceParent : nil
        }

        func inject(_ value: String, forKey key: String, into carrier: inout TraceCarrier) {
            guard key.lowercased() == SpanContext.headerName else { return }
            carrier.traceParent = value
        }
    }
}
