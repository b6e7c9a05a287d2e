package import Instrumentation
package import Tracing

/// A backend of swift-distributed-tracing that hands sampled spans to whoever exports them, and knows W3C Trace Context
/// (`traceparent`; `tracestate` is not carried on).
package struct OTLPTracer: Tracer {
    package typealias Span = OTLPSpan

    private let sampler: Sampler
    private let random: @Sendable () -> UInt64
    private let take: @Sendable (SpanRecord) -> Void

    /// - Parameters:
    ///   - random: replaced in tests.
    ///   - take: given every sampled span when it has ended, by whoever ended it: it must be quick.
    package init(
        sampler: Sampler, random: @escaping @Sendable () -> UInt64 = { .random(in: .min ... .max) },
        take: @escaping @Sendable (SpanRecord) -> Void
    ) {
        self.sampler = sampler
        self.random = random
        self.take = take
    }

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> InstrumentationContext,
        ofKind kind: SpanKind, at instant: @autoclosure () -> Instant, function: String,
        file fileID: String, line: UInt
    ) -> OTLPSpan {
        var context = context()
        let parent = context.spanContext
        let traceID = parent?.traceID ?? newTraceID()
        let isSampled = sampler.samples(traceID, parent: parent)
        let own = SpanContext(traceID: traceID, spanID: newSpanID(), isSampled: isSampled)
        context.spanContext = own
        return OTLPSpan(
            operationName, own, in: context, parent: parent?.spanID, kind: kind,
            start: instant().nanosecondsSinceEpoch, take: isSampled ? take : nil)
    }

    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout InstrumentationContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let text = extractor.extract(key: SpanContext.headerName, from: carrier),
            let parent = SpanContext(traceParent: text.utf8)
        else { return }
        context.spanContext = parent
    }

    package func inject<Carrier, Inject: Injector>(
        _ context: InstrumentationContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let own = context.spanContext else { return }
        injector.inject(own.traceParent, forKey: SpanContext.headerName, into: &carrier)
    }

    /// Nothing waits for spans: they are exported when it is their time.
    package func forceFlush() {}

    private func newTraceID() -> TraceID {
        while true {
            if let id = TraceID(high: random(), low: random()) { return id }
        }
    }

    private func newSpanID() -> SpanID {
        while true {
            if let id = SpanID(rawValue: random()) { return id }
        }
    }
}
