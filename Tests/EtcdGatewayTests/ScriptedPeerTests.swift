import Logging
import Testing

@testable import EtcdGateway

/// What the client makes of peers that misbehave, over HTTP/1.1.
@Suite("EtcdClient and misbehaving peers")
struct ScriptedPeerTests {
    private static let put = EtcdTransaction(
        compares: [.version(key: [1], equals: 0)], success: [.put(key: [1], value: [2])])

    private static let applied =
        "{\(ScriptedPeer.header),\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}"

    private static let emptyRange = "{\(ScriptedPeer.header)}"

    private func makeClient(
        _ peers: [EtcdEndpoint], _ change: (inout EtcdConfiguration) -> Void = { _ in }
    ) throws -> EtcdClient {
        var configuration = EtcdConfiguration(endpoints: peers)
        change(&configuration)
        return try EtcdClient(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func transactionError(
        _ client: EtcdClient, _ options: EtcdRequestOptions = .init()
    ) async -> EtcdError? {
        await #expect(throws: EtcdError.self) {
            _ = try await client.transaction(Self.put, options: options)
        }
    }

    @Test("a request is one POST of JSON, and its answer carries the peer's date")
    func plainRequest() async throws {
        let peer = try ScriptedPeer { _, _ in
            .answer(200, Self.applied, headers: ["Date: Sun, 06 Nov 1994 08:49:37 GMT"])
        }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint])
        let encoded = EtcdEncodedTransaction(Self.put)
        for _ in 0..<2 {
            let response = try await client.transaction(encoded: encoded)
            #expect(response.succeeded)
            #expect(response.header.date == 784_111_777)
            #expect(response.header.endpoint == peer.endpoint)
        }
        #expect(peer.requests.count == 2)
        for request in peer.requests {
            #expect(request.body == encoded.body)
            #expect(request.head.hasPrefix("POST /v3/kv/txn HTTP/1.1\r\n"))
            #expect(request.head.contains("Content-Type: application/json"))
            #expect(!request.head.lowercased().contains("expect:"))
            #expect(!request.head.contains("Authorization"))
        }
        await client.shutdown()
    }

    @Test("a large body is sent whole")
    func largeBody() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, Self.applied) }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint])
        let value = (0..<1_400_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let encoded = EtcdEncodedTransaction(
            EtcdTransaction(success: [.put(key: [1], value: value)]))
        let begin = ContinuousClock.now
        _ = try await client.transaction(
            encoded: encoded, options: EtcdRequestOptions(deadline: .now + .seconds(30)))
        #expect(peer.requests.map(\.body) == [encoded.body])
        // An `Expect: 100-continue` would wait for a second.
        #expect(.now - begin < .milliseconds(900))
        await client.shutdown()
    }

    @Test("a write whose fresh connection ends without an answer is unknown, and sent once")
    func endWithoutAnswer() async throws {
        let peer = try ScriptedPeer { _, _ in .disconnect }
        let other = try ScriptedPeer { _, _ in .answer(200, Self.applied) }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try makeClient([peer.endpoint, other.endpoint])
        let error = await transactionError(client)
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .connectionLost)
        #expect(peer.requests.count == 1)
        #expect(other.requests.isEmpty)
        await client.shutdown()
    }

    @Test("a write whose reused connection ends without an answer is unknown, and sent once")
    func reusedConnectionEnds() async throws {
        let peer = try ScriptedPeer { number, _ in
            number == 0 ? .answer(200, Self.applied) : .disconnect
        }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint])
        _ = try await client.transaction(Self.put)
        let error = await transactionError(client)
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .connectionLost)
        #expect(peer.requests.count == 2)
        await client.shutdown()
    }

    @Test("a read whose connection ends goes to the next member")
    func readFailsOver() async throws {
        let peer = try ScriptedPeer { _, _ in .disconnect }
        let other = try ScriptedPeer { _, _ in .answer(200, Self.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try makeClient([peer.endpoint, other.endpoint])
        let response = try await client.range(EtcdRangeRequest(key: [1]))
        #expect(response.header?.endpoint == other.endpoint)
        #expect(peer.requests.count == 1)
        // The member that answered is preferred from now on.
        _ = try await client.range(EtcdRangeRequest(key: [1]))
        #expect(peer.requests.count == 1)
        await client.shutdown()
    }

    @Test("an answer that is cut short is unknown to a write, and read elsewhere by a read", arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"header\":",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"hea\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "\u{15}\u{3}\u{1}", "SSH-2.0-OpenSSH\r\n",
    ])
    func truncated(text: String) async throws {
        let peer = try ScriptedPeer { _, _ in .raw(text) }
        let other = try ScriptedPeer { _, _ in .answer(200, Self.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let writer = try makeClient([peer.endpoint, other.endpoint])
        let error = await transactionError(writer)
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .connectionLost)
        #expect(peer.requests.count == 1)
        #expect(other.requests.isEmpty)
        let reader = try makeClient([peer.endpoint, other.endpoint])
        let response = try await reader.range(EtcdRangeRequest(key: [1]))
        #expect(response.header?.endpoint == other.endpoint)
        await writer.shutdown()
        await reader.shutdown()
    }

    @Test("a 200 that cannot be read is corrupt to a write, and read elsewhere by a read")
    func halfAHeader() async throws {
        let peer = try ScriptedPeer { _, _ in .raw("HTTP/1.1 200 OK\r\nContent-Le") }
        let other = try ScriptedPeer { _, _ in .answer(200, Self.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let writer = try makeClient([peer.endpoint, other.endpoint])
        #expect(await transactionError(writer)?.failureClass == .corrupt)
        #expect(other.requests.isEmpty)
        let reader = try makeClient([peer.endpoint, other.endpoint])
        let response = try await reader.range(EtcdRangeRequest(key: [1]))
        #expect(response.header?.endpoint == other.endpoint)
        await writer.shutdown()
        await reader.shutdown()
    }

    @Test("a 200 that is not a transaction's answer is corrupt", arguments: [
        "", "{}", "OK", applied + "x", String(applied.dropLast()),
        "{\(ScriptedPeer.header),\"succeeded\":true}",
    ])
    func corrupt(body: String) async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, body) }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint])
        let error = await transactionError(client)
        #expect(error?.failureClass == .corrupt)
        #expect(error?.code == .malformedAnswer)
        #expect(peer.requests.count == 1)
        await client.shutdown()
    }

    @Test("an answer without end is not read to its end", arguments: [true, false])
    func tooLong(isAnnounced: Bool) async throws {
        let peer = try ScriptedPeer { _, _ in
            isAnnounced
                ? .answer(200, String(repeating: "x", count: 100_000)) : .endless(bytes: 100_000)
        }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint]) { $0.maxResponseBytes = 50_000 }
        let error = await transactionError(client)
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .tooLarge)
        #expect(peer.requests.count == 1)
        await client.shutdown()
    }

    @Test("silence is unknown to a write when its deadline passes, and not later")
    func silence() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint])
        let begin = ContinuousClock.now
        let error = await transactionError(
            client, EtcdRequestOptions(deadline: begin + .milliseconds(60)))
        let duration = ContinuousClock.now - begin
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .timeout)
        #expect(duration >= .milliseconds(60))
        #expect(duration < .milliseconds(500))
        #expect(peer.requests.count == 1)
        await client.shutdown()
    }

    @Test("a read leaves a silent member in time for another to answer")
    func silentMember() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        let other = try ScriptedPeer { _, _ in .answer(200, Self.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try makeClient([peer.endpoint, other.endpoint])
        let response = try await client.range(
            EtcdRangeRequest(key: [1]), options: .init(deadline: .now + .seconds(2)))
        #expect(response.header?.endpoint == other.endpoint)
        await client.shutdown()
    }

    @Test("a member that left everything unanswered for long gets a new connection")
    func silentConnectionIsGivenUp() async throws {
        let peer = try ScriptedPeer { number, _ in
            number == 0 ? .silence : .answer(200, Self.applied)
        }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint]) { $0.requestTimeout = .milliseconds(50) }
        _ = await transactionError(client)
        try await eventually("the connection's end") { client.poolStatistics.idle == 0 }
        #expect(try await client.transaction(Self.put).succeeded)
        await client.shutdown()
    }

    @Test("a refusal settles a write, and is never sent elsewhere", arguments: [
        (400, 3, EtcdErrorCode.invalidArgument), (403, 7, .permissionDenied),
        (401, 16, .unauthenticated),
    ])
    func refused(status: Int, code: Int, errorCode: EtcdErrorCode) async throws {
        let peer = try ScriptedPeer { _, _ in .answer(status, #"{"error":"no","code":\#(code)}"#) }
        let other = try ScriptedPeer { _, _ in .answer(200, Self.applied) }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try makeClient([peer.endpoint, other.endpoint])
        let error = await transactionError(client)
        #expect(error?.failureClass == .rejected)
        #expect(error?.code == errorCode)
        #expect(other.requests.isEmpty)
        await client.shutdown()
    }

    @Test("a 5xx or 429 is unknown to a write; a read tries the next member after 5xx", arguments: [
        429, 500, 503,
    ])
    func unavailable(status: Int) async throws {
        let peer = try ScriptedPeer { _, _ in .answer(status, #"{"error":"no","code":14}"#) }
        let other = try ScriptedPeer { _, _ in .answer(200, Self.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let writer = try makeClient([peer.endpoint, other.endpoint])
        let error = await transactionError(writer)
        #expect(error?.failureClass == .unknown)
        #expect(error?.httpStatus == status)
        #expect(peer.requests.count == 1)
        #expect(other.requests.isEmpty)
        let reader = try makeClient([peer.endpoint, other.endpoint])
        if status >= 500 {
            let response = try await reader.range(EtcdRangeRequest(key: [1]))
            #expect(response.header?.endpoint == other.endpoint)
        }
        await writer.shutdown()
        await reader.shutdown()
    }

    @Test("a redirection is not followed")
    func redirection() async throws {
        let other = try ScriptedPeer { _, _ in .answer(200, Self.applied) }
        let target = other.endpoint
        let peer = try ScriptedPeer { _, _ in
            .answer(307, "", headers: ["Location: \(target)/v3/kv/txn"])
        }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try makeClient([peer.endpoint])
        #expect(await transactionError(client)?.failureClass == .unknown)
        #expect(other.requests.isEmpty)
        await client.shutdown()
    }

    @Test("a write goes to the next member when the first cannot be reached")
    func unreachableMember() async throws {
        let gone = try ScriptedPeer { _, _ in .disconnect }
        gone.stop()
        let other = try ScriptedPeer { _, _ in .answer(200, Self.applied) }
        defer { other.stop() }
        let client = try makeClient([gone.endpoint, other.endpoint])
        let response = try await client.transaction(Self.put)
        #expect(response.header.endpoint == other.endpoint)
        let alone = await transactionError(client, EtcdRequestOptions(only: gone.endpoint))
        #expect(alone?.failureClass == .notSent)
        #expect(alone?.code == .connect)
        await client.shutdown()
    }

    @Test("a cancelled request ends at once, and is unknown when it was sent")
    func cancellation() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint])
        let task = Task {
            try await client.transaction(
                Self.put, options: EtcdRequestOptions(deadline: .now + .seconds(60)))
        }
        try await eventually("the request's arrival") { peer.requests.count == 1 }
        let begin = ContinuousClock.now
        task.cancel()
        let error = await #expect(throws: EtcdError.self) { _ = try await task.value }
        #expect(.now - begin < .seconds(5))
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .cancelled)
        await client.shutdown()
    }

    @Test("a request of a cancelled task, or past its deadline, is not sent")
    func neverSent() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, Self.applied) }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint])
        let late = await transactionError(
            client, EtcdRequestOptions(deadline: .now - .milliseconds(1)))
        #expect(late?.failureClass == .notSent)
        #expect(late?.code == .timeout)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await client.transaction(Self.put)
        }
        task.cancel()
        let cancelled = await #expect(throws: EtcdError.self) { _ = try await task.value }
        #expect(cancelled?.failureClass == .notSent)
        #expect(cancelled?.code == .cancelled)
        #expect(peer.requests.isEmpty)
        await client.shutdown()
    }

    @Test("shutting down ends what is open, and refuses what comes later")
    func shutdown() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint])
        let task = Task {
            try await client.transaction(
                Self.put, options: EtcdRequestOptions(deadline: .now + .seconds(60)))
        }
        try await eventually("the request's arrival") { peer.requests.count == 1 }
        await client.shutdown()
        let open = await #expect(throws: EtcdError.self) { _ = try await task.value }
        #expect(open?.failureClass == .unknown)
        #expect(open?.code == .shutDown)
        let later = await transactionError(client)
        #expect(later?.failureClass == .notSent)
        #expect(later?.code == .shutDown)
        await client.shutdown()
        #expect(client.poolStatistics.active == 0)
        #expect(client.poolStatistics.idle == 0)
    }

    @Test("over HTTP/1.1 the connections stay within their bound, and requests wait")
    func boundedConnections() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, Self.emptyRange) }
        defer { peer.stop() }
        let client = try makeClient([peer.endpoint]) {
            $0.maxConnections = 2
            $0.maxIdleConnections = 1
            $0.requestTimeout = .seconds(20)
            $0.connectTimeout = .seconds(20)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<40 {
                group.addTask { _ = try await client.range(EtcdRangeRequest(key: [1])) }
            }
            for try await _ in group {
                let statistics = client.poolStatistics
                #expect(statistics.active + statistics.idle <= 2)
            }
        }
        #expect(client.poolStatistics.maxConnections == 2)
        #expect(client.poolStatistics.waitCount > 0)
        #expect(peer.requests.count == 40)
        await client.shutdown()
    }
}
