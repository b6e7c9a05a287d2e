import Foundation
import HTTPTransport
import Synchronization
import TestSupport
import Testing

@testable import ObjectStorage

/// What a real S3 server refuses, and what the network between does.
@Suite("S3Store and a real S3 server")
struct S3ServerTests {
    private func error(
        _ settings: S3Settings,
        _ body: (S3Store) async throws -> Void = { store in
            _ = try await store.read(ObjectName("a"), maximum: 9)
        }, now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
    ) async throws -> ObjectStoreError? {
        var settings = settings
        settings.retries.maxAttempts = 2
        let store = try S3Store(settings, now: now)
        do {
            try await body(store)
            await store.shutDown()
            return nil
        } catch {
            await store.shutDown()
            return error as? ObjectStoreError
        }
    }

    @Test("wrong credentials, a wrong region, a wrong bucket and a wrong clock are told apart")
    func refusals() async throws {
        let server = try await S3Server.shared()
        var settings = server.settings
        settings.credentials = .fixed(
            S3Credentials(accessKey: server.report.accessKey, secretKey: "wrong-secret"))
        let wrongSecret = try #require(try await error(settings))
        #expect(wrongSecret.kind == .notAllowed)
        #expect(!wrongSecret.message.contains("wrong-secret"))
        settings.credentials = .fixed(S3Credentials(accessKey: "nobody", secretKey: "secret"))
        #expect(try await error(settings)?.kind == .notAllowed)

        settings = server.settings
        settings.region = "eu-central-1"
        let wrongRegion = try #require(try await error(settings))
        #expect(wrongRegion.kind == .configuration)
        #expect(wrongRegion.message.contains("us-east-1"))

        settings = server.settings
        settings.bucket = "there-is-none"
        #expect(try await error(settings)?.kind == .noSuchBucket)
        let name = try ObjectName("a")
        #expect(
            try await error(settings) { _ = try await $0.putIfAbsent(name, [1]) }?.kind
                == .noSuchBucket)
        #expect(
            try await error(settings) { _ = try await $0.list(prefix: "", after: nil, limit: 1) }?
                .kind == .noSuchBucket)

        for skew in [-3600, 3600] {
            let now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) + Int64(skew) }
            let wrongClock = try #require(try await error(server.settings, now: now))
            #expect(wrongClock.kind == .clockSkew)
            #expect(wrongClock.message.contains(skew < 0 ? "behind" : "ahead of"))
        }
    }

    @Test("a server that another authority signed for is not spoken to")
    func otherAuthority() async throws {
        let server = try await S3Server.shared()
        var settings = server.settings
        settings.caCertificatePath = server.report.ca
            .replacingOccurrences(of: "/ca.pem", with: "/service-ca.pem")
        let failure = try #require(try await error(settings))
        #expect(failure.kind == .unavailable)
        #expect(failure.message.contains("CA file"))
        settings.caCertificatePath = nil
        #expect(try await error(settings)?.kind == .unavailable)
    }

    @Test("credentials that are replaced in their files are taken without a restart")
    func rotation() async throws {
        let server = try await S3Server.shared()
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "ledger-rotation-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let id = folder.appending(path: "id")
        let secret = folder.appending(path: "secret")
        try Data("nobody".utf8).write(to: id)
        try Data("nothing".utf8).write(to: secret)
        var settings = server.settings
        settings.credentials = .files(
            accessKey: id.path, secretKey: secret.path, sessionToken: nil)
        let store = try S3Store(settings)
        let name = try ObjectName("a")
        await #expect(throws: ObjectStoreError.self) { try await store.read(name, maximum: 9) }
        try Data(server.report.accessKey.utf8).write(to: id)
        try Data(server.report.secretKey.utf8).write(to: secret)
        #expect(try await store.putIfAbsent(name, [1]) == .created)
        await store.shutDown()
    }

    @Test("objects with other names are passed over in a listing")
    func foreignNames() async throws {
        let server = try await S3Server.shared()
        let settings = server.settings
        let store = try S3Store(settings)
        for number in 0..<12 {
            let key = "/\(settings.bucket)/\(settings.prefix)/odd%20%26%3C%C3%A4%2B\(number)"
            var request = S3Request(.put, path: key, maxAnswerBytes: 1000)
            request.body = [1]
            try await store.transport.perform(.replace, request) { reply throws(ObjectStoreError) in
                try store.transport.expectSuccess(reply)
                return ((), .ok, 1)
            }
        }
        #expect(try await store.putIfAbsent(ObjectName("zz"), [1]) == .created)
        #expect(try await store.list(prefix: "", after: nil, limit: 1).map(\.text) == ["zz"])
        await store.shutDown()
    }

    @Test("whatever the network loses, every object is there in the end, and is its own")
    func faults() async throws {
        let server = try await S3Server.shared()
        let random = Mutex(ReplayableRandom())
        let note = random.withLock { $0.note }
        let proxy = try HTTPFaultProxy(to: server.plainPort) { _, _ in
            random.withLock { random in
                switch Int.random(in: 0..<20, using: &random) {
                case 0: .dropped
                case 1: .answerLost
                case 2: .truncated
                case 3: .slowDown
                case 4: .late(.milliseconds(20))
                default: nil
                }
            }
        }
        defer { proxy.stop() }
        var settings = server.settings
        settings.endpoint = "http://127.0.0.1:\(proxy.port)"
        settings.retries.maxAttempts = 20
        settings.retries.firstPause = .milliseconds(1)
        let store = try S3Store(settings)
        let names = try (0..<60).map { try ObjectName("tile/0/\(100 + $0)") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in names {
                group.addTask {
                    let bytes = Array(String(repeating: name.text, count: 500).utf8)
                    _ = try await store.putIfAbsent(name, bytes)
                    #expect(try await store.read(name, maximum: 1 << 20) == bytes, "\(note)")
                    #expect(try await store.putIfAbsent(name, [0]) == .exists, "\(note)")
                    try await store.replace(name, with: bytes)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await store.list(prefix: "tile/", after: nil, limit: 1000) == names, "\(note)")
        for name in names {
            let bytes = Array(String(repeating: name.text, count: 500).utf8)
            #expect(try await store.read(name, maximum: 1 << 20) == bytes, "\(note)")
            try await store.remove(name)
        }
        #expect(try await store.list(prefix: "", after: nil, limit: 1000) == [], "\(note)")
        await store.shutDown()
    }

    @Test("a put whose answer is lost has been applied, and says that the object exists")
    func lostAnswer() async throws {
        let server = try await S3Server.shared()
        let proxy = try HTTPFaultProxy(to: server.plainPort) { number, head in
            // The first put is the conditional one, which this server refuses.
            number == 2 && head.hasPrefix("PUT ") ? .answerLost : nil
        }
        defer { proxy.stop() }
        var settings = server.settings
        settings.endpoint = "http://127.0.0.1:\(proxy.port)"
        settings.retries.firstPause = .milliseconds(1)
        let store = try S3Store(settings)
        let name = try ObjectName("a")
        #expect(try await store.putIfAbsent(name, [1, 2]) == .created)
        #expect(try await store.read(name, maximum: 9) == [1, 2])
        #expect(
            proxy.heads.map { String($0.prefix { $0 != " " }) }
                == ["PUT", "HEAD", "PUT", "PUT", "GET"])
        await store.shutDown()
    }

    @Test("bytes that change on the way up are refused, and sent again")
    func corruptUpload() async throws {
        let server = try await S3Server.shared()
        let store = try S3Store(server.settings)
        let name = try ObjectName("a")
        // The digest is that of no bytes.
        var request = S3Request(
            .put, path: "/\(server.settings.bucket)/x/\(UUID().uuidString)", maxAnswerBytes: 65_536)
        request.body = [1, 2, 3]
        request.fields = [HTTPField("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")]
        var settings = server.settings
        settings.retries.maxAttempts = 2
        settings.retries.firstPause = .milliseconds(1)
        let told = Mutex<[ObjectRequest]>([])
        let other = try S3Store(settings, observer: { one in told.withLock { $0.append(one) } })
        await #expect(throws: ObjectStoreError.self) {
            try await other.transport.perform(.put, request) { reply throws(ObjectStoreError) in
                try other.transport.expectSuccess(reply)
                return ((), .ok, 3)
            }
        }
        #expect(told.withLock { $0.map(\.result.label) } == ["unavailable", "unavailable"])
        #expect(try await store.read(name, maximum: 9) == nil)
        await store.shutDown()
        await other.shutDown()
    }
}
