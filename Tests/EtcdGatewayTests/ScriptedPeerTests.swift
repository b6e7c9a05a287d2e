import TestSupport
import Testing

@testable import EtcdGateway

/// What the client makes of peers that answer wrongly, over HTTP/1.1.
@Suite("EtcdClient and wrong answers")
struct ScriptedPeerTests {
    @Test("a request is one POST of JSON, and its answer carries the peer's date")
    func plainRequest() async throws {
        let peer = try ScriptedPeer { _, _ in
            .answer(200, ScriptedClient.applied, headers: ["Date: Sun, 06 Nov 1994 08:49:37 GMT"])
        }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint])
        let encoded = EtcdEncodedTransaction(ScriptedClient.put)
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
        let peer = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.applied) }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint])
        let value = (0..<1_400_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let encoded = EtcdEncodedTransaction(
            EtcdTransaction(success: [.put(key: [1], value: value)]))
        _ = try await client.transaction(
            encoded: encoded, options: EtcdRequestOptions(timeout: .seconds(30)))
        #expect(peer.requests.map(\.body) == [encoded.body])
        // libcurl asks `Expect: 100-continue` before a body of more than a megabyte, and waits a
        // second for the answer.
        #expect(peer.requests.allSatisfy { !$0.head.lowercased().contains("expect:") })
        await client.shutdown()
    }

    @Test("a write whose fresh connection ends without an answer is unknown, and sent once")
    func endWithoutAnswer() async throws {
        let peer = try ScriptedPeer { _, _ in .disconnect }
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.applied) }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try ScriptedClient.make([peer.endpoint, other.endpoint])
        let error = await ScriptedClient.putError(client)
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .connectionLost)
        #expect(peer.requests.count == 1)
        #expect(other.requests.isEmpty)
        await client.shutdown()
    }

    @Test("a write whose reused connection ends without an answer is unknown, and sent once")
    func reusedConnectionEnds() async throws {
        let peer = try ScriptedPeer { number, _ in
            number == 0 ? .answer(200, ScriptedClient.applied) : .disconnect
        }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint])
        _ = try await client.transaction(ScriptedClient.put)
        let error = await ScriptedClient.putError(client)
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .connectionLost)
        #expect(peer.requests.count == 2)
        await client.shutdown()
    }

    @Test("a read whose connection ends goes to the next member")
    func readFailsOver() async throws {
        let peer = try ScriptedPeer { _, _ in .disconnect }
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try ScriptedClient.make([peer.endpoint, other.endpoint])
        let response = try await client.range(EtcdRangeRequest(key: [1]))
        #expect(response.header?.endpoint == other.endpoint)
        #expect(peer.requests.count == 1)
        // The member that answered is preferred from now on.
        _ = try await client.range(EtcdRangeRequest(key: [1]))
        #expect(peer.requests.count == 1)
        await client.shutdown()
    }

    @Test(
        "an answer that is cut short is unknown to a write, and read elsewhere by a read",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"header\":",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"hea\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "\u{15}\u{3}\u{1}", "SSH-2.0-OpenSSH\r\n",
        ])
    func truncated(text: String) async throws {
        let peer = try ScriptedPeer { _, _ in .raw(text) }
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let writer = try ScriptedClient.make([peer.endpoint, other.endpoint])
        let error = await ScriptedClient.putError(writer)
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .connectionLost)
        #expect(peer.requests.count == 1)
        #expect(other.requests.isEmpty)
        let reader = try ScriptedClient.make([peer.endpoint, other.endpoint])
        let response = try await reader.range(EtcdRangeRequest(key: [1]))
        #expect(response.header?.endpoint == other.endpoint)
        await writer.shutdown()
        await reader.shutdown()
    }

    @Test("a 200 that cannot be read is corrupt to a write, and read elsewhere by a read")
    func halfAHeader() async throws {
        let peer = try ScriptedPeer { _, _ in .raw("HTTP/1.1 200 OK\r\nContent-Le") }
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let writer = try ScriptedClient.make([peer.endpoint, other.endpoint])
        #expect(await ScriptedClient.putError(writer)?.failureClass == .corrupt)
        #expect(other.requests.isEmpty)
        let reader = try ScriptedClient.make([peer.endpoint, other.endpoint])
        let response = try await reader.range(EtcdRangeRequest(key: [1]))
        #expect(response.header?.endpoint == other.endpoint)
        await writer.shutdown()
        await reader.shutdown()
    }

    @Test(
        "a 200 that is not a transaction's answer is corrupt",
        arguments: [
            "", "{}", "OK", ScriptedClient.applied + "x", String(ScriptedClient.applied.dropLast()),
            "{\(ScriptedPeer.header),\"succeeded\":true}",
        ])
    func corrupt(body: String) async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, body) }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint])
        let error = await ScriptedClient.putError(client)
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
        let client = try ScriptedClient.make([peer.endpoint]) { $0.maxResponseBytes = 50_000 }
        let error = await ScriptedClient.putError(client)
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .tooLarge)
        #expect(peer.requests.count == 1)
        await client.shutdown()
    }

    @Test(
        "a refusal settles a write, and is never sent elsewhere",
        arguments: [
            (400, 3, EtcdErrorCode.invalidArgument), (403, 7, .permissionDenied),
            (401, 16, .unauthenticated),
        ])
    func refused(status: Int, code: Int, errorCode: EtcdErrorCode) async throws {
        let peer = try ScriptedPeer { _, _ in .answer(status, #"{"error":"no","code":\#(code)}"#) }
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.applied) }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try ScriptedClient.make([peer.endpoint, other.endpoint])
        let error = await ScriptedClient.putError(client)
        #expect(error?.failureClass == .rejected)
        #expect(error?.code == errorCode)
        #expect(other.requests.isEmpty)
        await client.shutdown()
    }

    @Test(
        "a 5xx or 429 is unknown to a write; a read tries the next member after 5xx",
        arguments: [
            429, 500, 503,
        ])
    func unavailable(status: Int) async throws {
        let peer = try ScriptedPeer { _, _ in .answer(status, #"{"error":"no","code":14}"#) }
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let writer = try ScriptedClient.make([peer.endpoint, other.endpoint])
        let error = await ScriptedClient.putError(writer)
        #expect(error?.failureClass == .unknown)
        #expect(error?.httpStatus == status)
        #expect(peer.requests.count == 1)
        #expect(other.requests.isEmpty)
        let reader = try ScriptedClient.make([peer.endpoint, other.endpoint])
        if status >= 500 {
            let response = try await reader.range(EtcdRangeRequest(key: [1]))
            #expect(response.header?.endpoint == other.endpoint)
        }
        await writer.shutdown()
        await reader.shutdown()
    }

    @Test("a redirection is not followed")
    func redirection() async throws {
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.applied) }
        let target = other.endpoint
        let peer = try ScriptedPeer { _, _ in
            .answer(307, "", headers: ["Location: \(target)/v3/kv/txn"])
        }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try ScriptedClient.make([peer.endpoint])
        #expect(await ScriptedClient.putError(client)?.failureClass == .unknown)
        #expect(other.requests.isEmpty)
        await client.shutdown()
    }

    @Test("a write goes to the next member when the first cannot be reached")
    func unreachableMember() async throws {
        let gone = try ScriptedPeer { _, _ in .disconnect }
        gone.stop()
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.applied) }
        defer { other.stop() }
        let client = try ScriptedClient.make([gone.endpoint, other.endpoint])
        let response = try await client.transaction(ScriptedClient.put)
        #expect(response.header.endpoint == other.endpoint)
        let alone = await ScriptedClient.putError(client, EtcdRequestOptions(only: gone.endpoint))
        #expect(alone?.failureClass == .notSent)
        #expect(alone?.code == .connect)
        await client.shutdown()
    }
}
