import TestSupport
import Testing

@testable import HTTPTransport

/// What is sent and what is read, over HTTP/1.1. How requests end that no answer ends is tested with etcd's client,
/// which this transport carries (EtcdGatewayTests).
@Suite("CurlTransport")
struct CurlTransportTests {
    private func transport(
        _ change: (inout TransportSettings) -> Void = { _ in }
    ) throws -> CurlTransport {
        var settings = TransportSettings(threadName: "test")
        settings.protocols = .httpAndHTTPS
        change(&settings)
        return try CurlTransport(settings)
    }

    private func request(
        _ method: OutgoingRequest.Method, _ peer: ScriptedPeer, _ target: String = "/a?b=c",
        fields: [HTTPField] = [], body: [UInt8] = [], maxAnswerBytes: Int? = nil
    ) -> OutgoingRequest {
        OutgoingRequest(
            method, HTTPOrigin(scheme: .http, host: "127.0.0.1", port: peer.port), target: target,
            fields: fields, body: body, maxAnswerBytes: maxAnswerBytes,
            deadline: .now + .seconds(30))
    }

    @Test("one handle sends every method after every other, with its body and nothing of the last")
    func methods() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, "here") }
        defer { peer.stop() }
        let transport = try transport()
        let methods: [OutgoingRequest.Method] = [.get, .head, .put, .post, .delete]
        var sent: [OutgoingRequest.Method] = []
        for first in methods {
            for second in methods { sent += [first, second] }
        }
        for method in sent {
            let body = method.hasBody ? Array("of \(method.rawValue)".utf8) : []
            let answer = try await transport.send(request(method, peer, body: body)).get()
            #expect(answer.status == 200)
            #expect(answer.body == (method == .head ? [] : Array("here".utf8)))
        }
        #expect(peer.requests.count == sent.count)
        for (method, request) in zip(sent, peer.requests) {
            #expect(request.head.hasPrefix("\(method.rawValue) /a?b=c HTTP/1.1\r\n"))
            #expect(request.body == (method.hasBody ? Array("of \(method.rawValue)".utf8) : []))
            let head = request.head.lowercased()
            #expect(head.contains("content-length") == method.hasBody)
            for name in ["content-type", "accept:", "expect:", "transfer-encoding", "user-agent"] {
                #expect(!head.contains(name), "\(name) in \(method.rawValue)")
            }
        }
        await transport.shutDown()
    }

    @Test("an empty body is sent as one", arguments: [OutgoingRequest.Method.put, .post])
    func emptyBody(method: OutgoingRequest.Method) async throws {
        let peer = try ScriptedPeer { number, _ in number == 0 ? .answer(204, "") : .disconnect }
        defer { peer.stop() }
        let transport = try transport()
        #expect(try await transport.send(request(method, peer)).get().status == 204)
        #expect(peer.requests.first?.head.contains("Content-Length: 0") == true)
        // It has no part of a body to be offered, and was sent all the same.
        let result = await transport.send(request(method, peer))
        #expect(throws: TransferFailure.self) { try result.get() }
        if case .failure(let failure) = result {
            #expect(failure.wasOffered)
            #expect(failure.kind == .connectionLost)
        }
        #expect(peer.requests.count == 2)
        await transport.shutDown()
    }

    @Test("DELETE is sent once where its reused connection dies, GET again")
    func repetition() async throws {
        for (method, expected) in [(OutgoingRequest.Method.delete, 2), (.get, 3)] {
            let peer = try ScriptedPeer { number, _ in
                number == 1 ? .disconnect : .answer(200, "")
            }
            defer { peer.stop() }
            let transport = try transport()
            _ = try await transport.send(request(.get, peer)).get()
            let result = await transport.send(request(method, peer))
            #expect(peer.requests.count == expected)
            switch result {
            case .success: #expect(method == .get)
            case .failure(let failure):
                #expect(method == .delete)
                #expect(failure.wasOffered)
            }
            await transport.shutDown()
        }
    }

    @Test("the fields of a request are sent, each request its own, an empty one too")
    func requestFields() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, "") }
        defer { peer.stop() }
        let transport = try transport()
        for value in ["one", "two", ""] {
            let fields = [HTTPField("Content-Type", "text/plain"), HTTPField("X-Value", value)]
            _ = try await transport.send(request(.post, peer, fields: fields, body: [1])).get()
        }
        _ = try await transport.send(request(.post, peer, body: [1])).get()
        let heads = peer.requests.map(\.head)
        #expect(heads[0].contains("X-Value: one\r\n") && heads[1].contains("X-Value: two\r\n"))
        #expect(heads[2].contains("X-Value:"))
        #expect(heads[..<3].allSatisfy { $0.contains("Content-Type: text/plain\r\n") })
        #expect(!heads[3].contains("X-Value") && !heads[3].contains("Content-Type"))
        await transport.shutDown()
    }

    @Test("what would begin another field or another request is not sent")
    func injection() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, "") }
        defer { peer.stop() }
        let transport = try transport()
        var requests = [
            request(.get, peer, "/ b"), request(.get, peer, "/\r\nX: y"), request(.get, peer, "b"),
            request(.get, peer, "@example.com/"), request(.get, peer, body: [1]),
        ]
        let fields = [
            HTTPField("A", "b\r\nC: d"), HTTPField("A\r\nC", "b"), HTTPField("A:", "b"),
            HTTPField("", "b"), HTTPField("A", "\0"), HTTPField("A B", "c"),
            HTTPField("A", String(repeating: "b", count: 17_000)),
        ]
        requests += fields.map { request(.get, peer, fields: [$0]) }
        requests.append(
            request(.get, peer, fields: (0..<65).map { HTTPField("A\($0)", "b") }))
        for refused in requests {
            guard case .failure(let failure) = await transport.send(refused) else {
                Issue.record("\(refused) was sent")
                continue
            }
            #expect(failure.kind == .malformedRequest)
            #expect(!failure.wasOffered)
        }
        #expect(peer.requests.isEmpty)
        await transport.shutDown()
    }

    @Test(
        "the fields of an answer are kept in lower case, all of them or those that were asked for")
    func answerFields() async throws {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT"
        let peer = try ScriptedPeer { _, _ in
            .raw(
                "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
                    + "HTTP/1.1 200 OK\r\nDATE: \(date)\r\nX-A:  b \r\nX-A: c\r\nX-Empty:\r\n"
                    + "Content-Length: 1\r\n\r\nx")
        }
        defer { peer.stop() }
        let all = try transport()
        let answer = try await all.send(request(.get, peer)).get()
        #expect(
            answer.fields == [
                HTTPField("date", date), HTTPField("x-a", "b"), HTTPField("x-a", "c"),
                HTTPField("x-empty", ""), HTTPField("content-length", "1"),
            ])
        #expect(answer.date == 784_111_777)
        #expect(answer.value(of: "x-a") == "c")
        let some = try transport { $0.keptFields = .only(["date", "x-empty"]) }
        #expect(
            try await some.send(request(.get, peer)).get().fields == [
                HTTPField("date", date), HTTPField("x-empty", ""),
            ])
        await all.shutDown()
        await some.shutDown()
    }

    @Test("a body or a header without end is not read to its end")
    func bounds() async throws {
        let line = "X-Line: " + String(repeating: "x", count: 1_000) + "\r\n"
        let peer = try ScriptedPeer { number, _ in
            number == 2
                ? .raw("HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 200) + "\r\n")
                : .endless(bytes: 20_000)
        }
        defer { peer.stop() }
        let transport = try transport { $0.maxAnswerBytes = 30_000 }
        // The request's own bound, the transport's, and that of headers.
        let results = [
            await transport.send(request(.get, peer, maxAnswerBytes: 10_000)),
            await transport.send(request(.get, peer, maxAnswerBytes: 1 << 40)),
            await transport.send(request(.get, peer)),
        ]
        let kinds = results.map { result -> TransferFailure.Kind? in
            if case .failure(let failure) = result { return failure.kind }
            return nil
        }
        #expect(kinds == [.answerTooLong, nil, .answerTooLong])
        await transport.shutDown()
    }

    @Test("plain HTTP is not spoken where only https may be")
    func httpsOnly() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, "") }
        defer { peer.stop() }
        let transport = try transport { $0.protocols = .httpsOnly }
        guard case .failure(let failure) = await transport.send(request(.get, peer)) else {
            Issue.record("plain HTTP was spoken")
            return
        }
        #expect(!failure.wasOffered)
        #expect(peer.requests.isEmpty)
        await transport.shutDown()
    }
}
