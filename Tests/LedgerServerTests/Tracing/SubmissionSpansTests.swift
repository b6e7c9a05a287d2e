import HTTPTransport
import InMemoryTracing
import LedgerCore
import Logging
import OTLPExport
import Synchronization
import Testing
import Tracing

@testable import LedgerServer

@Suite("The spans of calls and submissions")
struct SubmissionSpansTests {
    private final class Spans: Sendable {
        private let spans = Mutex<[SpanRecord]>([])

        var all: [SpanRecord] { spans.withLock { $0 } }
        var names: [String] { all.map(\.name) }

        func add(_ span: SpanRecord) { spans.withLock { $0.append(span) } }

        func named(_ name: String) -> SpanRecord? { all.first { $0.name == name } }
    }

    private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    private func traces(_ sampler: Sampler = .standard) -> (Traces, Spans) {
        let spans = Spans()
        return (Traces(OTLPTracer(sampler: sampler) { spans.add($0) }), spans)
    }

    private func begin(_ traces: Traces, _ traceParent: String? = parent) -> CallSpan? {
        traces.begin(
            path: "/ledger.ImmutableLedger/SubmitEvent", traceParent: traceParent, arrival: 0)
    }

    private func event() throws -> CertifiedEvent {
        try CertifiedEvent(
            eventID: Array("id".utf8), payload: Array("canary-payload".utf8), vepsSignature: [],
            vepsTimestamp: 0, metadata: [], submitter: [], limits: EventLimits())
    }

    private static let seal = Seal(
        sequenceNumber: SequenceNumber(rawValue: 9), eventHash: .zero, previousHash: .zero,
        sealedTimestamp: 5)

    @Test("a submission that is sealed here: each span after the other, all within the call's")
    func sealed() throws {
        let (traces, spans) = traces()
        let call = try #require(begin(traces))
        let submission = call.traced.received(try event(), age: .milliseconds(3))
        submission.sealing(events: 4)
        submission.settled(.sealed(Self.seal, latency: .milliseconds(8)))
        submission.settled(.unknown)
        call.ended(code: 0)
        #expect(
            spans.names == ["receive", "queue", "commit", "ledger.ImmutableLedger/SubmitEvent"])
        let server = try #require(spans.all.last)
        #expect(server.parent?.hex == "b7ad6b7169203331" && server.kind == .server)
        #expect(server.status == nil)
        #expect(
            server.attributes == [
                .init("rpc.method", .text("ledger.ImmutableLedger/SubmitEvent")),
                .init("rpc.response.status_code", .text("OK")),
                .init("rpc.system.name", .text("grpc")),
            ])
        for inner in spans.all.dropLast() {
            #expect(inner.parent == server.context.spanID)
            #expect(inner.context.traceID == server.context.traceID)
            #expect(server.start <= inner.start && inner.end <= server.end)
        }
        let times = spans.all.dropLast().flatMap { [$0.start, $0.end] }
        #expect(times == times.sorted())
        #expect(
            spans.named("commit")?.attributes == [
                .init("ledger.batch.events", .integer(4)),
                .init("ledger.outcome", .text("sealed")),
                .init("ledger.sequence_number", .integer(9)),
            ])
    }

    @Test("what is forwarded goes on at the other replica as the child of the forward span")
    func forwarded() throws {
        let (follower, followed) = traces()
        let (sealer, sealed) = traces(Sampler(root: .alwaysOff, isParentBased: true))
        let call = try #require(begin(follower))
        let here = call.traced.received(try event(), age: .zero)
        #expect(here.traceParent.isEmpty)
        here.forwarding()
        let carried = here.traceParent
        #expect(carried.count == SpanContext.byteCount)
        let there = SubmissionSpans(in: try #require(TracedCall.of(forwarded: carried, sealer)))
        there.sealing(events: 1)
        there.settled(.sealed(Self.seal, latency: .zero))
        here.settled(.sealed(Self.seal, latency: .zero))
        let forward = try #require(followed.named("forward"))
        #expect(forward.kind == .client)
        #expect(sealed.names == ["queue", "commit"])
        for span in sealed.all {
            #expect(span.parent == forward.context.spanID)
            #expect(span.context.traceID == forward.context.traceID)
        }
    }

    @Test("an outcome that is read back has one span for it, within the one whose it is")
    func resolved() throws {
        let (traces, spans) = traces()
        let submission = try #require(begin(traces)).traced.received(try event(), age: .zero)
        submission.sealing(events: 1)
        submission.resolving()
        submission.resolving()
        submission.settled(.unknown)
        submission.resolving()
        #expect(spans.names.filter { $0 == "resolve" }.count == 1)
        #expect(spans.named("resolve")?.parent == spans.named("commit")?.context.spanID)
        #expect(spans.named("commit")?.status == .init(isError: true, message: "unknown"))
    }

    @Test("a batch that is built again, and one whose caller is never told, end all the same")
    func rebuilt() throws {
        let (traces, spans) = traces()
        var submission: SubmissionSpans? = try #require(begin(traces)).traced
            .received(try event(), age: .zero)
        submission?.sealing(events: 1)
        submission?.sealing(events: 2)
        submission = nil
        #expect(spans.names == ["receive", "queue", "commit", "commit"])
        #expect(spans.all.last?.attributes.last == .init("ledger.outcome", .text("abandoned")))
    }

    @Test(
        "what another replica names and is no span of W3C Trace Context, or not recorded, is not traced",
        arguments: [
            "", "x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ])
    func hostile(text: String) {
        let (traces, _) = traces()
        #expect(TracedCall.of(forwarded: Array(text.utf8), traces) == nil)
    }

    @Test("a call that its caller does not record has no span, nor a probe's that nobody records")
    func unsampled() throws {
        let (traces, spans) = traces()
        #expect(begin(traces, String(Self.parent.dropLast()) + "0") == nil)
        let health = "/grpc.health.v1.Health/Check"
        #expect(traces.begin(path: health, traceParent: nil, arrival: 0) == nil)
        #expect(traces.begin(path: health, traceParent: "garbage", arrival: 0) == nil)
        traces.begin(path: health, traceParent: Self.parent, arrival: 0)?.ended(code: 0)
        #expect(spans.names == ["grpc.health.v1.Health/Check"])
        #expect(begin(traces, "garbage") != nil)
    }

    @Test("the codes that are the server's failures are errors", arguments: 0...16)
    func codes(code: Int) throws {
        let (traces, spans) = traces()
        try #require(traces.begin(path: nil, traceParent: nil, arrival: 0)).ended(code: code)
        let span = try #require(spans.all.first)
        #expect(span.name == "_OTHER")
        #expect((span.status != nil) == [2, 4, 12, 13, 14, 15].contains(code))
    }

    @Test("without a backend and without a collector nothing is traced; a backend counts first")
    func off() throws {
        let logger = Logger(label: "test")
        #expect(try Traces(nil, settings: nil, logger: logger) == nil)
        #expect(try Traces(InstrumentationSystem.tracer, settings: nil, logger: logger) == nil)
        var settings = TraceSettings()
        #expect(settings.settings(version: "1", instance: "i") == nil)
        settings.commonEndpoint = .init(parsing: "http://localhost:4318")
        let otlp = try #require(settings.settings(version: "1", instance: "i"))
        #expect(otlp.endpoint.description == "http://localhost:4318/v1/traces")
        #expect(try Traces(nil, settings: otlp, logger: logger)?.exporter != nil)
        let own = OTLPTracer(sampler: .standard) { _ in }
        #expect(try Traces(own, settings: otlp, logger: logger)?.exporter == nil)
    }

    @Test("any backend gets the spans, the one that is bootstrapped too")
    func anyBackend() throws {
        let backend = InMemoryTracer()
        let traces = try withTracer(backend) {
            try Traces(nil, settings: nil, logger: Logger(label: "test"))
        }
        let opened = try #require(traces)
        let call = try #require(begin(opened))
        let submission = call.traced.received(try event(), age: .zero)
        submission.forwarding()
        submission.settled(.sealed(Self.seal, latency: .zero))
        call.ended(code: 0)
        #expect(
            backend.finishedSpans.map(\.operationName) == [
                "receive", "queue", "forward", "ledger.ImmutableLedger/SubmitEvent",
            ])
        // It knows no `traceparent`, and so nothing crosses a forward.
        #expect(submission.traceParent.isEmpty)
    }
}
