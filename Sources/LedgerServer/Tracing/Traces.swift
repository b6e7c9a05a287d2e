import GRPCEdge
package import HTTPTransport
import Instrumentation
import LedgerCore
package import Logging
package import OTLPExport
package import ServiceLifecycle
package import Tracing

/// What calls and submissions are traced with: a backend of swift-distributed-tracing, and the clock that dates spans.
package struct Traces: Sendable {
    private let tracer: any Tracer
    /// Nil where spans go somewhere else than to a collector of ours.
    package let exporter: OTLPExporter?
    private let clock = TraceClock()

    /// - Parameter tracer: any backend.
    package init(_ tracer: any Tracer) {
        self.tracer = tracer
        exporter = nil
    }

    /// The backend that is given; else the exporter, where a collector is configured; else what the process has
    /// bootstrapped in `InstrumentationSystem`. Nil where that is nothing: then nothing is traced.
    package init?(
        _ tracer: (any Tracer)?, settings: OTLPSettings?, logger: Logger
    ) throws(TransportUnusable) {
        if tracer == nil, let settings {
            exporter = try OTLPExporter(settings, logger: logger)
        } else {
            exporter = nil
        }
        let chosen = tracer ?? exporter?.tracer ?? InstrumentationSystem.tracer
        if chosen is NoOpTracer { return nil }
        self.tracer = chosen
    }

    package var services: [any Service] { exporter.map { [$0] } ?? [] }

    // MARK: Contexts

    /// The context that a `traceparent` names; the top level where it is none that is valid.
    func context(_ traceParent: String?) -> InstrumentationContext {
        var context = InstrumentationContext.topLevel
        tracer.extract(TraceCarrier(traceParent), into: &context, using: TraceCarrier.Access())
        return context
    }

    /// What another process is to be told of a context.
    func traceParent(of context: InstrumentationContext) -> String? {
        var carrier = TraceCarrier(nil)
        tracer.inject(context, into: &carrier, using: TraceCarrier.Access())
        return carrier.traceParent
    }

    // MARK: Spans

    var now: TraceInstant { clock.now }

    /// - Parameter arrival: a moment of `LoopClock`.
    func instant(of arrival: UInt64) -> TraceInstant { clock.instant(of: arrival) }

    func start(
        _ name: String, in context: InstrumentationContext, _ kind: SpanKind = .internal,
        at instant: TraceInstant
    ) -> any Tracing.Span {
        tracer.startSpan(name, context: context, ofKind: kind, at: instant)
    }

    /// Asked with every call for its span.
    var callBegan: @Sendable (CallBegin) -> (any CallRecorder)? {
        { call in
            self.begin(path: call.path, traceParent: call.traceParent, arrival: call.arrival)
        }
    }

    /// A call's span, by OpenTelemetry's conventions for RPC; nil where it is not sampled.
    ///
    /// - Parameters:
    ///   - path: the method's; nil where the port has none of that name.
    ///   - arrival: when its headers were there, see `LoopClock`.
    func begin(path: String?, traceParent: String?, arrival: UInt64) -> CallSpan? {
        let caller = context(traceParent)
        // Nobody follows the questions of probes, unless the caller does.
        if caller.isEmpty, let path, path.hasPrefix("/grpc.health.v1.") { return nil }
        let method = path.map { String($0.dropFirst()) } ?? CallMetrics.otherMethod
        clock.adjust()
        let begin = instant(of: arrival)
        let span = start(method, in: caller, .server, at: begin)
        guard span.isRecording else { return nil }
        span.attributes["rpc.system.name"] = "grpc"
        span.attributes["rpc.method"] = method
        return CallSpan(span, since: begin, of: self)
    }
}
