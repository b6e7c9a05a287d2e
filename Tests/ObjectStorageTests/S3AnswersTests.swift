import Foundation
import Synchronization
import TestSupport
import Testing

@testable import ObjectStorage

/// What a store does that this machine's S3 server never does.
@Suite("S3Store and the answers of other stores")
struct S3AnswersTests {
    private let secret = "the-secret-key"

    /// A store in front of a peer that answers as a script has it.
    private func scripted(
        _ change: (inout S3Settings) -> Void = { _ in }, observer: ObjectRequestObserver? = nil,
        answering script: @escaping @Sendable (Int, ScriptedPeer.Request) -> ScriptedPeer.Reply
    ) throws -> (S3Store, ScriptedPeer) {
        let peer = try ScriptedPeer(script)
        var settings = S3Settings(
            bucket: "bucket", prefix: "p",
            credentials: .fixed(S3Credentials(accessKey: "id", secretKey: secret)))
        settings.endpoint = "http://127.0.0.1:\(peer.port)"
        settings.retries.maxAttempts = 3
        settings.retries.firstPause = .milliseconds(1)
        settings.retries.longestPause = .milliseconds(2)
        change(&settings)
        return (try S3Store(settings, observer: observer, now: { 1_000_000_000 }), peer)
    }

    private func error(_ body: () async throws -> Void) async -> ObjectStoreError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? ObjectStoreError
        }
    }

    private static func refusal(_ code: String, more: String = "") -> String {
        "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>m</Message>\(more)</Error>"
    }

    @Test("a conditional put says so, and its answers tell what became of it")
    func conditionalPut() async throws {
        let (store, peer) = try scripted(answering: { number, _ in
            switch number {
            case 0: .answer(200, "")
            case 1: .answer(412, Self.refusal("PreconditionFailed"))
            case 2: .answer(409, Self.refusal("ConditionalRequestConflict"))
            default: .answer(200, "")
            }
        })
        defer { peer.stop() }
        let name = try ObjectName("a/b")
        #expect(try await store.putIfAbsent(name, [1, 2]) == .created)
        #expect(try await store.putIfAbsent(name, [1, 2]) == .exists)
        #expect(try await store.putIfAbsent(name, [1, 2]) == .created)
        try await store.replace(name, with: [3])
        let heads = peer.requests.map { $0.head.lowercased() }
        #expect(heads.count == 5)
        for head in heads.prefix(4) {
            #expect(head.hasPrefix("put /bucket/p/a/b http/1.1\r\n"))
            #expect(head.contains("\r\nif-none-match: *"))
            #expect(head.contains("signedheaders=content-type;host;if-none-match;x-amz"))
            #expect(head.contains("\r\ncontent-length: 2"))
        }
        #expect(!heads[4].contains("if-none-match"))
        #expect(peer.requests[0].body == [1, 2])
        #expect(!heads.contains { $0.contains(secret) })
    }

    @Test(
        "a store without conditional puts is asked whether the object exists",
        arguments: [(501, ""), (501, "NotImplemented"), (400, "NotImplemented")])
    func unconditionalPut(status: Int, code: String) async throws {
        let (store, peer) = try scripted(answering: { number, request in
            if request.head.lowercased().contains("if-none-match") {
                return .answer(status, Self.refusal(code))
            }
            return request.head.hasPrefix("HEAD ")
                ? .answer(number < 3 ? 404 : 200, "") : .answer(200, "")
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        #expect(try await store.putIfAbsent(name, [1]) == .created)
        #expect(try await store.putIfAbsent(name, [1]) == .exists)
        #expect(
            peer.requests.map { String($0.head.prefix { $0 != " " }) }
                == ["PUT", "HEAD", "PUT", "HEAD"])
    }

    @Test("where conditional puts are required, a store without them is an error")
    func requiredPut() async throws {
        let (store, peer) = try scripted(
            { $0.conditionalPut = .required },
            answering: { _, _ in .answer(501, Self.refusal("NotImplemented")) })
        defer { peer.stop() }
        let name = try ObjectName("a")
        #expect(
            await error { _ = try await store.putIfAbsent(name, [1]) }?.kind == .configuration)
    }

    @Test(
        "what may succeed later is sent again, as often as allowed",
        arguments: [
            (500, "InternalError"), (502, ""), (503, "SlowDown"), (503, "ServiceUnavailable"),
            (504, ""), (429, "TooManyRequests"), (400, "RequestTimeout"), (400, "BadDigest"),
        ])
    func retries(status: Int, code: String) async throws {
        let told = Mutex<[String]>([])
        let observer: ObjectRequestObserver = { request in
            told.withLock { $0.append(request.result.label) }
        }
        let (store, peer) = try scripted(
            observer: observer,
            answering: { number, _ in
                number < 5 ? .answer(status, Self.refusal(code)) : .answer(200, "x")
            })
        defer { peer.stop() }
        let name = try ObjectName("a")
        let failure = await error { _ = try await store.read(name, maximum: 9) }
        #expect(failure?.kind == .unavailable)
        #expect(failure?.message.contains("after 3 attempts") == true)
        #expect(peer.requests.count == 3)
        #expect(try await store.read(name, maximum: 9) == Array("x".utf8))
        #expect(told.withLock { $0 } == Array(repeating: "unavailable", count: 5) + ["ok"])
    }

    @Test("a connection that ends, or an answer that does, is one attempt lost")
    func brokenConnections() async throws {
        let (store, peer) = try scripted(answering: { number, _ in
            switch number {
            case 0: .disconnect
            case 1: .raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
            default: .answer(200, "0123456789")
            }
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        #expect(try await store.read(name, maximum: 10) == Array("0123456789".utf8))
        try await store.replace(name, with: [1])
        #expect(peer.requests.count >= 4)
    }

    @Test("an answer without a length is not believed to be whole")
    func withoutLength() async throws {
        let (store, peer) = try scripted(answering: { _, _ in
            .raw("HTTP/1.1 200 OK\r\n\r\n12345")
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        #expect(
            await error { _ = try await store.read(name, maximum: 10) }?.kind == .invalidAnswer)
    }

    @Test("an answer is not read beyond its bound")
    func endless() async throws {
        let (store, peer) = try scripted(answering: { _, _ in
            .endless(bytes: 100_000_000)
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        #expect(await error { _ = try await store.read(name, maximum: 10) }?.kind == .tooLarge)
        #expect(
            await error { _ = try await store.list(prefix: "", after: nil, limit: 9) }?.kind
                == .invalidAnswer)
        #expect(
            await error { try await store.replace(name, with: [1]) }?.kind == .invalidAnswer)
        #expect(peer.requests.count == 7)
    }

    @Test("only S3's own word for it makes an object absent")
    func absence() async throws {
        let (store, peer) = try scripted(answering: { number, _ in
            switch number {
            case 0: .answer(404, Self.refusal("NoSuchKey"))
            case 1: .answer(404, Self.refusal("NoSuchBucket"))
            default: .answer(404, "<html>not found</html>")
            }
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        #expect(try await store.read(name, maximum: 9) == nil)
        #expect(
            await error { _ = try await store.read(name, maximum: 9) }?.kind == .noSuchBucket)
        #expect(
            await error { _ = try await store.read(name, maximum: 9) }?.kind == .invalidAnswer)
        #expect(await error { try await store.remove(name) }?.kind == .invalidAnswer)
    }

    @Test("a redirection names the region to set")
    func redirections() async throws {
        let (store, peer) = try scripted(answering: { number, _ in
            switch number {
            case 0:
                .answer(
                    301, Self.refusal("PermanentRedirect"),
                    headers: ["x-amz-bucket-region: eu-west-3"])
            case 1:
                .answer(
                    400,
                    Self.refusal(
                        "AuthorizationHeaderMalformed", more: "<Region>ap-south-2</Region>"))
            case 2: .answer(307, Self.refusal("TemporaryRedirect"))
            default: .answer(301, "", headers: ["x-amz-bucket-region: <script>"])
            }
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        var messages: [String] = []
        for _ in 0..<4 {
            let failure = await error { _ = try await store.read(name, maximum: 9) }
            #expect(failure?.kind == .configuration)
            messages.append(failure?.message ?? "")
        }
        #expect(messages[0].contains("eu-west-3"))
        #expect(messages[1].contains("ap-south-2"))
        #expect(messages[2].contains("307 TemporaryRedirect"))
        #expect(!messages[3].contains("script"))
        #expect(peer.requests.count == 4)
    }

    @Test("a wrong clock is told with how wrong it is")
    func skew() async throws {
        let headers = ["Date: Sun, 09 Sep 2001 02:46:40 GMT"]
        let (store, peer) = try scripted(answering: { _, _ in
            .answer(403, Self.refusal("RequestTimeTooSkewed"), headers: headers)
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        let failure = await error { _ = try await store.read(name, maximum: 9) }
        #expect(failure?.kind == .clockSkew)
        #expect(failure?.message.contains("3600 s behind") == true)
    }

    @Test("a silent store is given up in time, and nothing waits for it for ever")
    func silence() async throws {
        let (store, peer) = try scripted(
            {
                $0.requestTimeout = .milliseconds(50)
                $0.totalTimeout = .milliseconds(200)
                $0.retries.maxAttempts = 100
            },
            answering: { _, _ in
                .silence
            })
        defer { peer.stop() }
        let name = try ObjectName("a")
        #expect(await error { _ = try await store.read(name, maximum: 9) }?.kind == .timedOut)
    }

    @Test("an operation that is cancelled ends")
    func cancellation() async throws {
        let (store, peer) = try scripted(answering: { _, _ in
            .silence
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        let task = Task { try await store.read(name, maximum: 9) }
        try await eventually("the request has come") { !peer.requests.isEmpty }
        task.cancel()
        #expect(await error { _ = try await task.value }?.kind == .cancelled)
    }

    @Test("a listing that is out of order, or leaves the prefix, is an error")
    func listings() async throws {
        func page(_ keys: [String]) -> String {
            "<ListBucketResult>" + keys.map { "<Contents><Key>\($0)</Key></Contents>" }.joined()
                + "<IsTruncated>false</IsTruncated></ListBucketResult>"
        }
        let pages = [
            page(["p/b", "p/a"]), page(["p/a", "p/a"]), page(["q/a"]), page(["p/a"]),
            page(["p/b", "p/c d", "p/e/", "p/f"]),
        ]
        let (store, peer) = try scripted(
            { $0.retries.maxAttempts = 1 },
            answering: { number, _ in
                .answer(200, pages[number])
            })
        defer { peer.stop() }
        for _ in 0..<3 {
            #expect(
                await error { _ = try await store.list(prefix: "", after: nil, limit: 9) }?.kind
                    == .invalidAnswer)
        }
        let after = try ObjectName("a")
        #expect(
            await error { _ = try await store.list(prefix: "", after: after, limit: 9) }?.kind
                == .invalidAnswer)
        // Somebody else's objects are passed over.
        let names = try await store.list(prefix: "", after: after, limit: 9)
        #expect(names.map(\.text) == ["b", "f"])
        let head = peer.requests[4].head
        #expect(head.hasPrefix("GET /bucket?"))
        #expect(head.contains("prefix=p%2F&start-after=p%2Fa"))
    }

    @Test("stale credentials are read again at once")
    func staleCredentials() async throws {
        let (store, peer) = try scripted(answering: { _, _ in
            .answer(400, Self.refusal("ExpiredToken"))
        })
        defer { peer.stop() }
        let name = try ObjectName("a")
        #expect(await error { _ = try await store.read(name, maximum: 9) }?.kind == .notAllowed)
        // Those of a setting are the same, and not tried twice.
        #expect(peer.requests.count == 1)
    }

    @Test("credentials that were replaced since they were refused are tried at once")
    func replacedCredentials() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "ledger-replaced-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let id = folder.appending(path: "id")
        let file = folder.appending(path: "secret")
        try Data("old-id".utf8).write(to: id)
        try Data(secret.utf8).write(to: file)
        let (store, peer) = try scripted(
            {
                $0.credentials = .files(
                    accessKey: id.path, secretKey: file.path, sessionToken: nil)
                $0.retries.maxAttempts = 1
            },
            answering: { _, request in
                guard request.head.contains("Credential=old-id/") else { return .answer(200, "x") }
                try? Data("new-id".utf8).write(to: id)
                return .answer(400, Self.refusal("ExpiredToken"))
            })
        defer { peer.stop() }
        #expect(try await store.read(ObjectName("a"), maximum: 9) == Array("x".utf8))
        #expect(peer.requests.count == 2)
    }

    @Test("the token of a session is sent, and signed")
    func sessionToken() async throws {
        let (store, peer) = try scripted(
            {
                $0.credentials = .fixed(
                    S3Credentials(accessKey: "id", secretKey: secret, sessionToken: "the-token"))
            }, answering: { _, _ in .answer(200, "x") })
        defer { peer.stop() }
        #expect(try await store.read(ObjectName("a"), maximum: 9) == Array("x".utf8))
        let head = peer.requests[0].head.lowercased()
        #expect(head.contains("\r\nx-amz-security-token: the-token"))
        #expect(
            head.contains("signedheaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token")
        )
    }

    @Test("a store that wants to be left alone for longer than there is time is not asked again")
    func retryAfter() async throws {
        let (store, peer) = try scripted(
            {
                $0.retries.longestPause = .seconds(300)
                $0.totalTimeout = .seconds(200)
            },
            answering: { number, _ in
                number == 0
                    ? .answer(503, Self.refusal("SlowDown"), headers: ["Retry-After: 250"])
                    : .answer(200, "x")
            })
        defer { peer.stop() }
        let name = try ObjectName("a")
        let failure = await error { _ = try await store.read(name, maximum: 9) }
        #expect(failure?.kind == .unavailable)
        #expect(failure?.message.contains("after 1 attempts") == true)
        #expect(peer.requests.count == 1)
    }

    @Test("an object that is too long is not sent")
    func tooLong() async throws {
        let (store, peer) = try scripted(
            { $0.maxObjectBytes = 10 },
            answering: { _, _ in
                .answer(200, "")
            })
        defer { peer.stop() }
        let name = try ObjectName("a")
        let bytes = [UInt8](repeating: 0, count: 11)
        #expect(await error { _ = try await store.putIfAbsent(name, bytes) }?.kind == .tooLarge)
        #expect(await error { try await store.replace(name, with: bytes) }?.kind == .tooLarge)
        #expect(peer.requests.isEmpty)
    }
}
