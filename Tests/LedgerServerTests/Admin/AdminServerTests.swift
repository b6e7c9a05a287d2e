import Foundation
import Logging
import ServiceLifecycle
import TestSupport
import Testing

@testable import LedgerServer

@Suite("The admin port over loopback")
struct AdminServerTests {
    private let board = StatusBoard(initial: LedgerStatus(state: .serving, readsServed: true))

    /// Starts the server as the service does, sends the requests one after the other, stops it.
    private func answers(_ requests: [String]) async throws -> [String] {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let pages = AdminPages(
            reporter: makeReporter(board: board), registry: LedgerMetrics().registry
        ) { path in
            guard path == "/tile/0/000" else { return nil }
            return AdminResponse(
                contentType: "application/octet-stream", body: [0, 255], isImmutable: true)
        }
        let server = AdminServer(
            pages: pages, bindAddress: "127.0.0.1", port: 0, logger: logger)
        let group = ServiceGroup(
            configuration: .init(services: [server], logger: logger))
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let port = try #require(await server.boundPort())
            var answers: [String] = []
            for request in requests {
                answers.append(await LoopbackHTTP.exchange(port: port, request))
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            return answers
        }
    }

    private func request(_ line: String, _ headers: String = "") -> String {
        "\(line) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(headers)\r\n"
    }

    @Test("GET and HEAD are answered with status, type and length")
    func get() async throws {
        let answers = try await answers([
            request("GET /livez"), request("HEAD /livez"), request("GET /metrics?x=1"),
            request("GET /nothing"), request("GET /tile/0/000"),
        ])
        #expect(answers[0].hasPrefix("HTTP/1.1 200 "))
        #expect(answers[0].hasSuffix("\r\n\r\nalive\n"))
        #expect(answers[0].lowercased().contains("content-length: 6"))
        #expect(answers[0].lowercased().contains("cache-control: no-store"))
        #expect(answers[1].hasPrefix("HTTP/1.1 200 "))
        #expect(answers[1].hasSuffix("\r\n\r\n"))
        #expect(answers[1].lowercased().contains("content-length: 6"))
        #expect(answers[2].hasPrefix("HTTP/1.1 200 "))
        #expect(answers[2].contains("text/plain; version=0.0.4; charset=utf-8"))
        #expect(answers[3].hasPrefix("HTTP/1.1 404 "))
        #expect(answers[4].contains("immutable"))
    }

    @Test("Other methods, bodies, long paths and long headers are refused")
    func refusals() async throws {
        let long = String(repeating: "a", count: 20_000)
        let answers = try await answers([
            request("POST /livez"), request("DELETE /health"),
            request("GET /livez", "Content-Length: 3\r\n") + "abc",
            request("GET /\(long.prefix(600))"), request("GET /livez", "X: \(long)\r\n"),
            request("GET /livez"),
        ])
        #expect(answers[0].hasPrefix("HTTP/1.1 405 "))
        #expect(answers[0].lowercased().contains("allow: get, head"))
        #expect(answers[1].hasPrefix("HTTP/1.1 405 "))
        #expect(answers[2].hasPrefix("HTTP/1.1 413 "))
        #expect(answers[3].hasPrefix("HTTP/1.1 414 "))
        #expect(!answers[4].hasPrefix("HTTP/1.1 200 "))
        #expect(answers[5].hasPrefix("HTTP/1.1 200 "))
    }

    @Test("A port that is taken ends the server with an error, and nobody waits for the port")
    func taken() async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let pages = AdminPages(
            reporter: makeReporter(board: board), registry: LedgerMetrics().registry)
        // An address of another machine cannot be bound.
        let server = AdminServer(
            pages: pages, bindAddress: "192.0.2.1", port: 0, logger: logger)
        await #expect(throws: (any Error).self) { try await server.run() }
        #expect(await server.boundPort() == nil)
    }
}
