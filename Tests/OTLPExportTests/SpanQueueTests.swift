import HTTPTransport
import Testing
import Tracing

@testable import OTLPExport

@Suite("The bounds of what waits to be exported")
struct SpanQueueTests {
    private func span(_ number: UInt64, name: String = "span") throws -> SpanRecord {
        let context = SpanContext(
            traceID: try #require(TraceID(high: 1, low: 1)),
            spanID: try #require(SpanID(rawValue: number)), isSampled: true)
        return SpanRecord(context, parent: nil, name: name, kind: .internal, start: 1, end: 2)
    }

    private func queue(_ change: (inout SpanQueue.Bounds) -> Void) -> SpanQueue {
        var bounds = SpanQueue.Bounds()
        change(&bounds)
        return SpanQueue(bounds)
    }

    @Test("as many are taken as may wait, and the oldest go first")
    func count() throws {
        var queue = queue {
            $0.spans = 3
            $0.batchSpans = 2
        }
        #expect(queue.takeBatch().isEmpty)
        for number in UInt64(1)...5 {
            #expect(queue.add(try span(number)) == (number <= 3))
            #expect(queue.hasBatch == (number >= 2))
        }
        #expect(queue.takeBatch().map(\.context.spanID.rawValue) == [1, 2])
        #expect(queue.takeBatch().map(\.context.spanID.rawValue) == [3])
        #expect(queue.count == 0)
        #expect(queue.byteCount == 0)
    }

    @Test("so are their bytes, and one that is larger than a request goes alone")
    func bytes() throws {
        let size = try span(1).byteCount
        var queue = queue {
            $0.bytes = 3 * size
            $0.batchBytes = size / 2
        }
        for number in UInt64(1)...4 { #expect(queue.add(try span(number)) == (number <= 3)) }
        #expect(queue.takeBatch().count == 1)
        #expect(queue.byteCount == 2 * size)
        #expect(queue.add(try span(9)))
    }

    @Test("texts, attributes, events and links of a span are cut, at whole characters")
    func cut() throws {
        let spans = Collected()
        let tracer = OTLPTracer(sampler: .standard) { spans.add($0) }
        let span = tracer.startSpan(String(repeating: "é", count: 100), context: .topLevel)
        for number in 0..<100 { span.attributes["key-\(number)"] = "value" }
        span.attributes["a"] = String(repeating: "€", count: 200)
        span.attributes["b"] = Array(Int64(0)..<100)
        for _ in 0..<100 {
            span.addEvent("event")
            span.addLink(SpanLink(context: span.context, attributes: [:]))
        }
        span.setStatus(.init(code: .error, message: String(repeating: "m", count: 1_000)))
        span.end()
        let record = try #require(spans.all.first)
        #expect(record.name == String(repeating: "é", count: 64))
        #expect(record.attributes.count == 32)
        #expect(record.droppedAttributes == 70)
        #expect(
            record.attributes[0] == .init("a", .text(String(repeating: "€", count: 85))))
        #expect(record.attributes[1].value == .list((0..<16).map { .integer($0) }))
        #expect(record.events.count == 16 && record.droppedEvents == 84)
        #expect(record.links.count == 16 && record.droppedLinks == 84)
        #expect(record.status?.message.utf8.count == 128)
        #expect(record.byteCount < 16 << 10)
    }
}

@Suite("Spans of the exporter's tracer")
struct OTLPTracerTests {
    private struct Carrier: Sendable, Extractor, Injector {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) {
            carrier[key] = value
        }
    }

    @Test("a caller's context is the parent, and what goes on names the span")
    func parents() throws {
        let spans = Collected()
        let tracer = OTLPTracer(sampler: .standard) { spans.add($0) }
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        var context = InstrumentationContext.topLevel
        tracer.extract(["traceparent": parent], into: &context, using: Carrier())
        let server = tracer.startSpan("server", context: context, ofKind: .server)
        let inner = tracer.startSpan("inner", context: server.context)
        var carried: [String: String] = [:]
        tracer.inject(inner.context, into: &carried, using: Carrier())
        inner.end()
        inner.end()
        server.end()
        #expect(spans.all.map(\.name) == ["inner", "server"])
        #expect(spans.all[1].parent?.hex == "b7ad6b7169203331")
        #expect(spans.all[0].parent == spans.all[1].context.spanID)
        #expect(Set(spans.all.map(\.context.traceID)).count == 1)
        #expect(Set(spans.all.map(\.context.spanID)).count == 2)
        #expect(carried["traceparent"] == spans.all[0].context.traceParent)
        #expect(carried.count == 1)
    }

    @Test("what is not sampled keeps nothing and is not handed on, but says so to the next")
    func unsampled() {
        let spans = Collected()
        let tracer = OTLPTracer(sampler: .standard) { spans.add($0) }
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
        var context = InstrumentationContext.topLevel
        tracer.extract(["traceparent": parent], into: &context, using: Carrier())
        let span = tracer.startSpan("server", context: context)
        span.attributes["a"] = "b"
        #expect(!span.isRecording && span.attributes.isEmpty)
        var carried: [String: String] = [:]
        tracer.inject(span.context, into: &carried, using: Carrier())
        #expect(carried["traceparent"]?.hasSuffix("-00") == true)
        span.end()
        #expect(spans.all.isEmpty)
    }

    @Test("a context that is none begins a trace of its own")
    func invalid() {
        let tracer = OTLPTracer(sampler: .standard) { _ in }
        var context = InstrumentationContext.topLevel
        tracer.extract(["traceparent": "00-0-0-01"], into: &context, using: Carrier())
        #expect(context.isEmpty)
        #expect(tracer.startSpan("a", context: context).isRecording)
    }
}

@Suite("When spans are sent again")
struct ExportPaceTests {
    private func answer(
        _ status: Int, _ fields: [HTTPField] = [], _ body: String = ""
    ) -> ExportAnswer {
        ExportAnswer(.success(HTTPAnswer(status: status, fields: fields, body: Array(body.utf8))))
    }

    @Test("what a collector's answer means")
    func answers() {
        #expect(answer(200, [], "{}") == .taken(rejected: 0))
        #expect(answer(200, [], "garbage {{{") == .taken(rejected: 0))
        let partial = #"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}"#
        #expect(answer(200, [], partial) == .taken(rejected: 3))
        #expect(
            answer(200, [], #"{"partialSuccess":{"rejectedSpans":2}}"#) == .taken(rejected: 2))
        for status in [400, 401, 404, 413, 500, 301] { #expect(answer(status) == .refused) }
        for status in [429, 502, 503, 504] { #expect(answer(status) == .later(after: nil)) }
        let wait = [HTTPField("retry-after", "7")]
        #expect(answer(503, wait) == .later(after: .seconds(7)))
        for nonsense in ["-1", "soon", "1e9", "99999999999999999999"] {
            #expect(answer(503, [HTTPField("retry-after", nonsense)]) == .later(after: nil))
        }
        #expect(
            answer(429, [HTTPField("retry-after", "86400")])
                == .later(after: ExportAnswer.longestPause))
        let failure = TransferFailure(reason: .deadline, wasOffered: true, message: "")
        #expect(ExportAnswer(.failure(failure)) == .later(after: nil))
        let long = TransferFailure(reason: .answerTooLong, wasOffered: true, message: "")
        #expect(ExportAnswer(.failure(long)) == .refused)
    }

    @Test("pauses double up to their bound, are never the same for all, and end")
    func pauses() {
        for random in [0, 0.999] {
            var pace = ExportPace()
            var pauses: [Duration] = []
            while case .retry(let after) = pace.answered(
                .later(after: nil), spans: 1, random: random)
            {
                pauses.append(after)
            }
            let full = [1.0, 2, 4, 8, 16]
            #expect(pauses.count == ExportPace.maxAttempts - 1)
            for (pause, full) in zip(pauses, full) {
                #expect(abs(pause / .seconds(1) - full * (0.5 + random / 2)) < 0.01)
            }
        }
    }

    @Test("a time that the collector names counts where it is longer; success forgets failures")
    func named() {
        var pace = ExportPace()
        #expect(
            pace.answered(.later(after: .seconds(20)), spans: 1, random: 0)
                == .retry(after: .seconds(20)))
        #expect(
            pace.answered(.taken(rejected: 5), spans: 3, random: 0)
                == .done(exported: 0, refused: 3))
        #expect(
            pace.answered(.later(after: .zero), spans: 1, random: 0)
                == .retry(after: .milliseconds(500)))
        #expect(pace.answered(.refused, spans: 4, random: 0) == .done(exported: 0, refused: 4))
    }
}
