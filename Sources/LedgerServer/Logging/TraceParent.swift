import OTLPExport

/// The trace that a call belongs to: the header `traceparent` of W3C Trace Context, as the log shows it.
package struct TraceParent: Sendable, Hashable {
    /// 32 lower-case hex digits, not all zero.
    package let traceID: String
    /// 16 lower-case hex digits, not all zero: the caller's span.
    package let parentID: String
    /// Whether the caller records this trace.
    package let isSampled: Bool

    /// Reads the header; nil for what the specification has no meaning for.
    package init?(_ text: String?) {
        guard let text, let context = SpanContext(traceParent: text.utf8) else { return nil }
        traceID = context.traceID.hex
        parentID = context.spanID.hex
        isSampled = context.isSampled
    }
}
