import Foundation
import HTTPTransport
import Testing

@testable import ObjectStorage

@Suite("S3's settings and credentials")
struct S3SettingsTests {
    private func settings(_ change: (inout S3Settings) -> Void) -> S3Settings {
        var settings = S3Settings(
            bucket: "bucket", prefix: "a/b",
            credentials: .fixed(S3Credentials(accessKey: "id", secretKey: "secret")))
        change(&settings)
        return settings
    }

    @Test("requests go where the settings say")
    func addresses() throws {
        let aws = try settings { $0.region = "eu-central-1" }.address()
        #expect(aws.origin.description == "https://bucket.s3.eu-central-1.amazonaws.com:443")
        #expect(aws.hostField == "bucket.s3.eu-central-1.amazonaws.com")
        #expect(aws.root == "/" && aws.keyPrefix == "a/b/")
        let path = try settings {
            $0.addressing = .path
            $0.prefix = ""
        }.address()
        #expect(path.hostField == "s3.us-east-1.amazonaws.com")
        #expect(path.root == "/bucket/" && path.keyPrefix == "")
        let dotted = try settings { $0.bucket = "a.b.c" }.address()
        #expect(dotted.hostField == "s3.us-east-1.amazonaws.com" && dotted.root == "/a.b.c/")
        let other = try settings { $0.endpoint = "https://store.example:8443" }.address()
        #expect(other.hostField == "store.example:8443" && other.root == "/bucket/")
        let v6 = try settings { $0.endpoint = "https://[::1]" }.address()
        #expect(v6.hostField == "[::1]")
        let local = try settings { $0.endpoint = "http://127.0.0.1:9000" }.address()
        #expect(local.origin.scheme == .http)
    }

    @Test("what cannot work is an error that says what to do, without a secret")
    func refused() {
        let changes: [(String, (inout S3Settings) -> Void)] = [
            ("bucket", { $0.bucket = "B" }), ("prefix", { $0.prefix = "a/" }),
            ("prefix", { $0.prefix = "a b" }), ("region", { $0.region = "" }),
            ("region", { $0.region = "a/b" }), ("endpoint", { $0.endpoint = "store.example" }),
            ("endpoint", { $0.endpoint = "https://id:secret@store.example" }),
            ("endpoint", { $0.endpoint = "https://store.example/path" }),
            ("https://", { $0.endpoint = "http://store.example" }),
            (
                "path",
                {
                    $0.endpoint = "https://10.0.0.1"
                    $0.addressing = .virtualHost
                }
            ),
            (
                "path",
                {
                    $0.endpoint = "https://[::1]"
                    $0.addressing = .virtualHost
                }
            ),
            (
                "path",
                {
                    $0.bucket = "a.b.c"
                    $0.addressing = .virtualHost
                }
            ), ("request", { $0.requestTimeout = .zero }),
            ("attempts", { $0.retries.maxAttempts = 0 }),
            ("time-out", { $0.totalTimeout = .seconds(1) }),
            ("connections", { $0.maxConnections = 0 }), ("object", { $0.maxObjectBytes = 0 }),
        ]
        for (word, change) in changes {
            do {
                try settings(change).validate()
                Issue.record("\(word) is accepted")
            } catch {
                #expect(error.kind == .configuration)
                #expect(error.message.contains(word), "\(error.message)")
                #expect(!error.message.contains("secret"))
            }
        }
        #expect(throws: Never.self) {
            try settings {
                $0.endpoint = "http://a.b"
                $0.allowsPlainHTTP = true
            }.validate()
        }
    }

    @Test("a pause grows, has a limit, and is as long as the store wishes")
    func pauses() {
        let policy = RequestRetries()
        #expect(policy.pause(after: 1, fraction: 1) == .milliseconds(100))
        #expect(policy.pause(after: 3, fraction: 1) == .milliseconds(400))
        #expect(policy.pause(after: 3, fraction: 0) == .zero)
        #expect(policy.pause(after: 99, fraction: 1) == .seconds(5))
        #expect(policy.pause(after: 1, fraction: 0, wish: .seconds(2)) == .seconds(2))
        #expect(policy.pause(after: 1, fraction: 0, wish: .seconds(2000)) == .seconds(5))
    }

    private func withFolder(_ body: (URL) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "ledger-credentials-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder)
    }

    @Test(
        "credentials in files are read again when they change, and stay while they cannot be read")
    func files() async throws {
        try await withFolder { folder in
            let id = folder.appending(path: "id")
            let secret = folder.appending(path: "secret")
            let reader = CredentialReader(
                .files(accessKey: id.path, secretKey: secret.path, sessionToken: nil))
            await #expect(throws: ObjectStoreError.self) { try await reader.current() }
            try Data("id1\n".utf8).write(to: id)
            try Data(" secret1 \r\n".utf8).write(to: secret)
            let first = S3Credentials(accessKey: "id1", secretKey: "secret1")
            #expect(try await reader.current() == first)
            try FileManager.default.removeItem(at: secret)
            #expect(try await reader.current() == first)
            try Data("sec ret".utf8).write(to: secret)
            #expect(try await reader.current() == first)
            try Data("id22".utf8).write(to: id)
            try Data("secret2".utf8).write(to: secret)
            #expect(
                try await reader.current() == S3Credentials(accessKey: "id22", secretKey: "secret2")
            )
        }
    }

    @Test("AWS's shared file has profiles")
    func sharedFile() async throws {
        try await withFolder { folder in
            let file = folder.appending(path: "credentials")
            let text = """
                # a comment
                [default]
                aws_access_key_id = AKID
                aws_secret_access_key=a=b+/c

                [ other ]
                AWS_ACCESS_KEY_ID=O
                aws_secret_access_key=P
                aws_session_token = T
                region = x
                """
            try Data(text.utf8).write(to: file)
            func credentials(_ profile: String) async throws -> S3Credentials {
                try await CredentialReader(.sharedFile(path: file.path, profile: profile)).current()
            }
            #expect(
                try await credentials("default")
                    == S3Credentials(accessKey: "AKID", secretKey: "a=b+/c"))
            #expect(
                try await credentials("other")
                    == S3Credentials(accessKey: "O", secretKey: "P", sessionToken: "T"))
            await #expect(throws: ObjectStoreError.self) { try await credentials("none") }
        }
    }

    @Test("credentials are not described")
    func description() {
        let credentials = S3Credentials(accessKey: "id", secretKey: "hush", sessionToken: "token")
        for text in ["\(credentials)", String(reflecting: credentials)] {
            #expect(!text.contains("hush") && !text.contains("token"))
        }
    }
}
