import Foundation
import Testing

@testable import OTLPExport

/// Compared with the JSON example of the OTLP specification (opentelemetry-proto, `examples/trace.json`).
@Suite("Spans as OTLP's JSON")
struct OTLPDocumentTests {
    private func context(_ trace: String, _ span: String) throws -> SpanContext {
        try #require(SpanContext(traceParent: "00-\(trace)-\(span)-01".utf8))
    }

    private func parsed(_ document: OTLPDocument) throws -> NSDictionary {
        let object = try JSONSerialization.jsonObject(with: Data(document.bytes))
        return try #require(object as? NSDictionary)
    }

    @Test("the specification's example comes out as it stands there")
    func example() throws {
        let own = try context("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")
        let parent = try context("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b173")
        var span = SpanRecord(
            own, parent: parent.spanID, name: "I'm a server span", kind: .server,
            start: 1_544_712_660_000_000_000, end: 1_544_712_661_000_000_000)
        span.set([.init("my.span.attr", .text("some value"))])
        let document = OTLPDocument(
            [span], resource: [.init("service.name", .text("my.service"))],
            scope: ("my.library", "1.0.0"))
        let expected = """
            {"resourceSpans": [{
              "resource": {"attributes": [
                {"key": "service.name", "value": {"stringValue": "my.service"}}]},
              "scopeSpans": [{
                "scope": {"name": "my.library", "version": "1.0.0"},
                "spans": [{
                  "traceId": "5b8efff798038103d269b633813fc60c",
                  "spanId": "eee19b7ec3c1b174", "parentSpanId": "eee19b7ec3c1b173",
                  "name": "I'm a server span", "kind": 2,
                  "startTimeUnixNano": "1544712660000000000",
                  "endTimeUnixNano": "1544712661000000000",
                  "attributes": [
                    {"key": "my.span.attr", "value": {"stringValue": "some value"}}],
                  "status": {}}]}]}]}
            """
        let wanted = try JSONSerialization.jsonObject(with: Data(expected.utf8))
        #expect(try parsed(document) == wanted as? NSDictionary)
    }

    @Test("every kind of value, event, link and status")
    func complete() throws {
        let own = try context("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")
        var span = SpanRecord(
            own, parent: nil, name: "a\"\\\n\u{1}é", kind: .client, start: 5, end: 4)
        span.set([
            .init("i", .integer(.min)), .init("d", .number(0.5)), .init("n", .number(.nan)),
            .init("b", .flag(true)), .init("l", .list([.text("x"), .integer(2)])),
            .init("m", .number(-.infinity)),
        ])
        span.set([.init(name: "e", time: 9, attributes: [])], dropped: 2)
        span.set([.init(context: own, attributes: [.init("k", .text("v"))])], dropped: 0)
        span.status = .init(isError: true, message: "no")
        let document = OTLPDocument([span, span], resource: [], scope: ("s", ""))
        let text = String(decoding: document.bytes, as: UTF8.self)
        let spans = try #require(
            (((try parsed(document)["resourceSpans"] as? [NSDictionary])?.first?["scopeSpans"]
                as? [NSDictionary])?.first?["spans"] as? [NSDictionary]))
        #expect(spans.count == 2)
        #expect(spans[0]["name"] as? String == "a\"\\\n\u{1}é")
        #expect(spans[0]["parentSpanId"] == nil)
        #expect(spans[0]["endTimeUnixNano"] as? String == "5")
        #expect(spans[0]["status"] as? NSDictionary == ["code": 2, "message": "no"])
        #expect(spans[0]["droppedEventsCount"] as? Int == 2)
        for part in [
            #"{"intValue":"-9223372036854775808"}"#, #"{"doubleValue":0.5}"#,
            #"{"doubleValue":"NaN"}"#, #"{"doubleValue":"-Infinity"}"#, #"{"boolValue":true}"#,
            #"{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"2"}]}}"#,
            #""events":[{"timeUnixNano":"9","name":"e","attributes":[]}]"#,
            #""links":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#,
        ] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
    }

    @Test("no spans are no document of another shape")
    func empty() throws {
        let document = OTLPDocument([], resource: [], scope: ("s", "1"))
        #expect(try parsed(document)["resourceSpans"] != nil)
    }
}
