import Foundation
import HTTPTransport
import Logging
import Synchronization
import TestSupport
import Testing
import Tracing

@testable import OTLPExport

/// Spans in the order in which they ended.
final class Collected: Sendable {
    private let spans = Mutex<[SpanRecord]>([])

    var all: [SpanRecord] { spans.withLock { $0 } }

    func add(_ span: SpanRecord) { spans.withLock { $0.append(span) } }
}

@Suite("Exporting to a collector")
struct OTLPExporterTests {
    private func settings(_ port: Int, _ change: (inout OTLPSettings) -> Void = { _ in })
        -> OTLPSettings
    {
        var settings = OTLPSettings(
            endpoint: HTTPLocation(
                origin: HTTPOrigin(scheme: .http, host: "127.0.0.1", port: port),
                path: "/v1/traces"))
        settings.delay = .milliseconds(10)
        settings.headers = [HTTPField("authorization", "Bearer canary")]
        change(&settings)
        return settings
    }

    /// Runs an exporter until something is so.
    private func run(
        _ settings: OTLPSettings, _ spans: Int, until isDone: (OTLPExporter) -> Bool
    ) async throws -> OTLPExporter {
        let exporter = try OTLPExporter(settings, logger: Logger(label: "test"))
        let tracer = exporter.tracer
        for number in 0..<spans { tracer.startSpan("span \(number)", context: .topLevel).end() }
        let task = Task { await exporter.run() }
        while !isDone(exporter) { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await task.value
        return exporter
    }

    @Test("spans go out in requests of their bounded number, with the headers that are set")
    func exports() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, "{}") }
        defer { peer.stop() }
        let exporter = try await run(settings(peer.port) { $0.bounds.batchSpans = 4 }, 10) {
            $0.statistics.exported == 10
        }
        #expect(exporter.statistics.lost == [.stopped: 0])
        #expect(peer.requests.count == 3)
        for request in peer.requests {
            #expect(request.head.hasPrefix("POST /v1/traces HTTP/1.1\r\n"))
            let head = request.head.lowercased()
            #expect(head.contains("content-type: application/json\r\n"))
            #expect(head.contains("authorization: bearer canary\r\n"))
            let body = try JSONSerialization.jsonObject(with: Data(request.body))
            #expect(body is NSDictionary)
        }
    }

    @Test("a collector that is busy is asked again, with the same spans, and gets them once")
    func busy() async throws {
        let peer = try ScriptedPeer { number, _ in
            number == 0
                ? .answer(503, "", headers: ["Retry-After: 0"]) : .answer(200, "")
        }
        defer { peer.stop() }
        let exporter = try await run(settings(peer.port), 3) { $0.statistics.exported == 3 }
        #expect(peer.requests.count == 2)
        #expect(peer.requests[0].body == peer.requests[1].body)
        #expect(exporter.statistics.queued == 0)
    }

    @Test("what a collector refuses is counted and not sent again")
    func refused() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(400, "no") }
        defer { peer.stop() }
        let exporter = try await run(settings(peer.port), 3) { $0.statistics.lost[.refused] == 3 }
        #expect(peer.requests.count == 1)
        #expect(exporter.statistics.exported == 0)
    }

    @Test("while a collector is silent spans are dropped and counted, and nobody waits")
    func silent() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        defer { peer.stop() }
        let exporter = try OTLPExporter(
            settings(peer.port) {
                $0.bounds.spans = 4
                $0.bounds.batchSpans = 4
            }, logger: Logger(label: "test"))
        let tracer = exporter.tracer
        let task = Task { await exporter.run() }
        for number in 0..<4 { tracer.startSpan("span \(number)", context: .topLevel).end() }
        while peer.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        for number in 4..<104 { tracer.startSpan("span \(number)", context: .topLevel).end() }
        #expect(exporter.statistics.lost == [.queueFull: 96])
        #expect(exporter.statistics.queued == 8)
        task.cancel()
        await task.value
        #expect(exporter.statistics.lost[.stopped] == 8)
    }

    @Test("what an exporter is described as does not show its headers")
    func description() {
        let settings = settings(4318)
        #expect(!"\(settings)".contains("canary"))
    }
}
