import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@testable import LedgerServer

@Suite("An HTTP port over loopback")
struct HTTPPortTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private struct Failure: Error {}
    private final class Statuses: Sendable {
        private let noted = Mutex<[Int]>([])
        var all: [Int] { noted.withLock { $0 } }
        func note(_ status: Int) { noted.withLock { $0.append(status) } }
    }
    private final class Counter: Sendable {
        let count = Atomic<Int>(0)
    }

    private static func page(_ path: String) -> Page {
        switch path {
        case "/livez": Page(line: "alive")
        case "/tile/0/000":
            Page(
                contentType: Page.octets, body: .bytes([0, 255]), caching: .forever,
                entityTag: "tag")
        case "/pieces": pieces { number in number < 3 ? Array("piece".utf8) : nil }
        case "/broken":
            pieces { number in
                if number > 0 { throw Failure() }
                return Array("piece".utf8)
            }
        case "/endless": pieces { _ in Array(repeating: 7, count: 1 << 20) }
        case "/busy": Page(status: 503, line: "later", isTemporary: true)
        default: Page(status: 404, line: "nothing")
        }
    }

    private static func pieces(
        _ piece: @escaping @Sendable (Int) throws -> [UInt8]?
    ) -> Page {
        let counter = Counter()
        return Page(
            contentType: Page.octets,
            body: .pieces { try piece(counter.count.add(1, ordering: .relaxed).oldValue) })
    }

    /// Runs a port as the service does.
    private func withPort(
        limits: HTTPPort.Limits = .init(), answered: @escaping HTTPPort.Answered = { _ in },
        _ body: (Int, HTTPPort) async throws -> Void
    ) async throws {
        let server = HTTPPort(
            name: "the port", setting: .adminPort, bindAddress: "127.0.0.1", port: 0,
            limits: limits, logger: Self.quiet, answered: answered,
            pages: { path, _ in Self.page(path) })
        let group = ServiceGroup(
            configuration: .init(services: [server], logger: Self.quiet))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let port = try #require(await server.boundPort())
            try await body(port, server)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Sends the requests one after the other.
    private func answers(_ requests: [String]) async throws -> [String] {
        var answers: [String] = []
        try await withPort { port, _ in
            for request in requests {
                answers.append(await LoopbackHTTP.exchange(port: port, request))
            }
        }
        return answers
    }

    private func request(_ line: String, _ headers: String = "") -> String {
        "\(line) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(headers)\r\n"
    }

    @Test("GET and HEAD are answered with status, type and length")
    func get() async throws {
        let answers = try await answers([
            request("GET /livez"), request("HEAD /livez"), request("GET /livez?x=1"),
            request("GET /nothing"), request("GET /tile/0/000"), request("GET /busy"),
        ])
        #expect(answers[0].hasPrefix("HTTP/1.1 200 "))
        #expect(answers[0].hasSuffix("\r\n\r\nalive\n"))
        #expect(answers[0].lowercased().contains("content-length: 6"))
        #expect(answers[0].lowercased().contains("cache-control: no-store"))
        #expect(answers[1].hasPrefix("HTTP/1.1 200 "))
        #expect(answers[1].hasSuffix("\r\n\r\n"))
        #expect(answers[1].lowercased().contains("content-length: 6"))
        #expect(answers[2].hasPrefix("HTTP/1.1 200 "))
        #expect(answers[3].hasPrefix("HTTP/1.1 404 "))
        #expect(answers[4].contains("max-age=31536000, immutable"))
        #expect(answers[4].lowercased().contains("etag: \"tag\""))
        #expect(answers[5].hasPrefix("HTTP/1.1 503 "))
        #expect(answers[5].lowercased().contains("retry-after: 1"))
    }

    @Test("who has the page already is told so, without the page")
    func notModified() async throws {
        let answers = try await answers([
            request("GET /tile/0/000", "If-None-Match: \"tag\"\r\n"),
            request("GET /tile/0/000", "If-None-Match: \"a\", W/\"tag\"\r\n"),
            request("HEAD /tile/0/000", "If-None-Match: *\r\n"),
            request("GET /tile/0/000", "If-None-Match: \"other\"\r\n"),
            request("GET /livez", "If-None-Match: *\r\n"),
        ])
        for answer in answers.prefix(3) {
            #expect(answer.hasPrefix("HTTP/1.1 304 "))
            #expect(answer.hasSuffix("\r\n\r\n"))
            #expect(answer.lowercased().contains("etag: \"tag\""))
        }
        #expect(answers[3].hasPrefix("HTTP/1.1 200 "))
        #expect(answers[4].hasPrefix("HTTP/1.1 200 "))
    }

    @Test("other methods, bodies, long paths and long headers are refused")
    func refusals() async throws {
        let long = String(repeating: "a", count: 20_000)
        let answers = try await answers([
            request("POST /livez"), request("DELETE /livez"),
            request("GET /livez", "Content-Length: 3\r\n") + "abc",
            request("GET /livez", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            request("GET /\(long.prefix(600))"), request("GET /livez", "X: \(long)\r\n"),
            request("GET /\(String(repeating: "x", count: 100_000))"),
            request("GET /livez", String(repeating: "X: 1\r\n", count: 100)),
            request("GET /livez"),
        ])
        #expect(answers[0].hasPrefix("HTTP/1.1 405 "))
        #expect(answers[0].lowercased().contains("allow: get, head"))
        #expect(answers[1].hasPrefix("HTTP/1.1 405 "))
        #expect(answers[2].hasPrefix("HTTP/1.1 413 "))
        #expect(answers[3].hasPrefix("HTTP/1.1 413 "))
        #expect(answers[4].hasPrefix("HTTP/1.1 414 "))
        for answer in answers[5...7] { #expect(!answer.hasPrefix("HTTP/1.1 200 ")) }
        #expect(answers[8].hasPrefix("HTTP/1.1 200 "))
    }

    @Test("after a request with a body the connection ends, and no byte of it is waited for")
    func unreadBody() async throws {
        try await withPort { port, _ in
            // Neither says that the connection is to be closed, and the body never comes.
            for head in ["POST /livez", "GET /livez"] {
                let answer = await LoopbackHTTP.exchange(
                    port: port, "\(head) HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
                #expect(answer.hasPrefix("HTTP/1.1 4"))
                #expect(answer.lowercased().contains("connection: close"))
            }
        }
    }

    @Test("a page in pieces is whole, or recognisably cut off")
    func pieces() async throws {
        let answers = try await answers([
            request("GET /pieces"), request("HEAD /pieces"), request("GET /broken"),
        ])
        #expect(answers[0].components(separatedBy: "piece").count == 4)
        #expect(answers[0].hasSuffix("0\r\n\r\n"))
        #expect(!answers[1].contains("piece"))
        #expect(answers[2].contains("piece"))
        #expect(!answers[2].hasSuffix("0\r\n\r\n"))
    }

    @Test("connections that ask nothing make room for one that does")
    func silentConnections() async throws {
        var limits = HTTPPort.Limits()
        limits.maxConnections = 8
        try await withPort(limits: limits) { port, server in
            let silent = (0..<40).compactMap { _ in LoopbackSocket(connectedTo: port) }
            defer { for socket in silent { socket.close() } }
            #expect(silent.count == 40)
            try await eventually("some were refused") { server.connections.refused >= 32 }
            #expect(server.connections.count <= 8)
            try await eventually("one that asks is answered") {
                let answer = await LoopbackHTTP.exchange(port: port, request("GET /livez"))
                return answer.hasPrefix("HTTP/1.1 200 ")
            }
            #expect(server.connections.count <= 8)
        }
    }

    @Test("who sends no whole request, and who does not read, is cut off")
    func slowCallers() async throws {
        var limits = HTTPPort.Limits()
        limits.idleTimeout = .seconds(2)
        limits.answerTimeout = .seconds(2)
        try await withPort(limits: limits) { port, server in
            for text in [
                "", "GET /livez HTTP/1.1\r\nHost:", "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n",
            ] {
                let socket = try #require(LoopbackSocket(connectedTo: port))
                defer { socket.close() }
                socket.write(Array(text.utf8))
                // Connections are taken in the order in which they come: the first one is there by then.
                let answer = await LoopbackHTTP.exchange(port: port, request("GET /livez"))
                #expect(answer.hasPrefix("HTTP/1.1 200 "))
                try await eventually("\(text) is cut off, for this side does not close") {
                    server.connections.count == 0
                }
            }
        }
    }

    @Test("a caller that does not read its answer does not hold up a stop")
    func stopBesideSlowCaller() async throws {
        var socket: LoopbackSocket?
        // Without its end the port would wait for the answer's time-out, which is longer than a test may take.
        var limits = HTTPPort.Limits()
        limits.answerTimeout = .seconds(3_600)
        try await withPort(limits: limits) { port, _ in
            socket = LoopbackSocket(connectedTo: port)
            socket?.write(Array("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            // Connections are taken in the order in which they come: the first one is there by then.
            let answer = await LoopbackHTTP.exchange(port: port, request("GET /livez"))
            #expect(answer.hasPrefix("HTTP/1.1 200 "))
        }
        socket?.close()
    }

    @Test("every answer is counted with its status")
    func counted() async throws {
        let statuses = Statuses()
        try await withPort(answered: statuses.note) { port, _ in
            for line in ["GET /livez", "GET /x", "POST /livez", "GET /busy"] {
                _ = await LoopbackHTTP.exchange(port: port, request(line))
            }
        }
        #expect(statuses.all == [200, 404, 405, 503])
    }

    @Test("a port that is taken ends the server with an error, and nobody waits for the port")
    func taken() async throws {
        // An address of another machine cannot be bound.
        let server = HTTPPort(
            name: "the port", setting: .adminPort, bindAddress: "192.0.2.1", port: 0,
            logger: Self.quiet, pages: { path, _ in Self.page(path) })
        await #expect(throws: (any Error).self) { try await server.run() }
        #expect(await server.boundPort() == nil)
    }
}
