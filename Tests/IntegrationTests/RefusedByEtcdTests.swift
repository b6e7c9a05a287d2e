import Foundation
import GRPCCore
import LedgerAPI
import SwiftProtobuf
import TestSupport
import Testing

extension Integration {
    /// An etcd that asks who calls, and a service that is set up wrongly for it. Each has its own message, in etcd's own
    /// words and with what to do.
    @Suite("Refused by etcd", .serialized)
    struct RefusedByEtcdTests {
        private let permissionDenied = "etcdserver: permission denied"

        private func readiness(_ ledger: LedgerFixture) async throws -> (status: Int, body: String)
        {
            let port = try await ledger.process.adminPort()
            let page = try await LoopbackHTTP.get(port: port, path: "/readyz")
            return try #require(page)
        }

        /// What `GetHealth` says of the whole and of its first dependency.
        private func health(_ ledger: LedgerFixture) async throws -> (whole: String, member: String)
        {
            let health = try await Ledger_Health.Client(wrapping: ledger.calls.client)
                .getHealth(.init())
            return (health.message, health.dependencies.first?.message ?? "")
        }

        /// Starts a service, and waits until /readyz has all of these words.
        private func refused(
            _ cluster: EtcdCluster, _ settings: [String: String], _ words: [String],
            isReady: Bool = false, _ body: (LedgerFixture) async throws -> Void = { _ in }
        ) async throws {
            let ledger = try await LedgerFixture.start(
                on: cluster, settings: settings, waitsUntilReady: isReady)
            try await ledger.use { ledger in
                if isReady { _ = await ledger.calls.submit(.sample("refused")) }
                try await eventually("/readyz says so") {
                    let page = try await readiness(ledger)
                    return words.allSatisfy(page.body.contains)
                        && (page.status == 200) == isReady
                }
                let whole = try await health(ledger).whole
                for word in words { #expect(whole.contains(word), "\(whole)") }
                let lines = ledger.process.log.split(separator: "\n").filter {
                    $0.contains("the ledger cannot use etcd")
                }
                // Once, not with every request.
                #expect(lines.count == 1, "\(lines)")
                try await body(ledger)
            }
        }

        @Test("a wrong password, no user at all, and a client certificate with a CommonName")
        func identity() async throws {
            try await withCluster(size: 1) { cluster in
                let wrong = [
                    "etcdserver: authentication failed, invalid user ID or password",
                    "correct ETCD_USERNAME and ETCD_PASSWORD",
                ]
                try await refused(cluster, ["ETCD_PASSWORD": "not-the-password"], wrong) {
                    let member = try await health($0).member
                    for word in wrong { #expect(member.contains(word), "\(member)") }
                    #expect(!$0.process.log.contains("not-the-password"))
                }
                try await refused(
                    cluster, ["ETCD_USERNAME": "", "ETCD_PASSWORD": ""],
                    // "user name is empty", or what etcd takes the gateway for may do nothing.
                    ["(\"etcdserver: ", "set ETCD_USERNAME and ETCD_PASSWORD"])
                let files = try await certificateWithName(cluster)
                let named = [
                    "CommonName of client sending a request against gateway will be ignored",
                    "without a CommonName (ETCD_CLIENT_CERT)",
                ]
                try await refused(cluster, files, named) {
                    let member = try await health($0).member
                    for word in named { #expect(member.contains(word), "\(member)") }
                }
            }
        }

        @Test("a role that is missing, and one that may only read")
        func roles() async throws {
            try await withCluster(size: 1) { cluster in
                for command in [
                    ["user", "add", "bare:bare-password"],
                    ["user", "add", "reader:reader-password"],
                    ["role", "add", "reader"],
                    [
                        "role", "grant-permission", "reader", "read", "--prefix",
                        EtcdCluster.ledgers,
                    ],
                    ["user", "grant-role", "reader", "reader"],
                ] {
                    try await cluster.etcdctl(command)
                }
                try await refused(
                    cluster, ["ETCD_USERNAME": "bare", "ETCD_PASSWORD": "bare-password"],
                    [permissionDenied, "may not read", "grant the role of ETCD_USERNAME"])
                try await refused(
                    cluster, ["ETCD_USERNAME": "reader", "ETCD_PASSWORD": "reader-password"],
                    [permissionDenied, "may not write", "grant the role of ETCD_USERNAME"],
                    isReady: true)
            }
        }

        @Test("no space")
        func noSpace() async throws {
            try await withCluster(
                size: 1, flags: ["--quota-backend-bytes", "4194304"]
            ) { cluster in
                let ledger = try await LedgerFixture.start(on: cluster)
                try await ledger.use { ledger in
                    let log = SubmissionLog()
                    let load = SubmissionLoad(
                        [ledger.calls], log: log, callers: 8, prefix: "fill", payloadBytes: 40_000)
                    let words = ["etcd has no space left", "database space exceeded", "disarm"]
                    try await eventually("/readyz says so", within: .seconds(60)) {
                        let page = try await readiness(ledger)
                        return page.status == 200 && words.allSatisfy(page.body.contains)
                    }
                    await load.stop()
                    let (whole, member) = try await health(ledger)
                    #expect(whole.contains("etcd has no space left"), "\(whole)")
                    #expect(member.contains("alarm:NOSPACE"), "\(member)")
                    #expect(member.contains("--quota-backend-bytes"), "\(member)")
                }
            }
        }

        /// A client certificate that etcd's gateway takes for a user, signed by the members' CA.
        private func certificateWithName(_ cluster: EtcdCluster) async throws -> [String: String] {
            let folder = cluster.folder.appending(path: "named")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let script = """
                set -e
                cd "$1"
                openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
                    -subj /CN=ledger -out request.pem
                echo extendedKeyUsage=clientAuth > extensions
                openssl x509 -req -in request.pem -CA "$2/ca.pem" -CAkey "$2/ca-key.pem" \
                    -set_serial 77 -days 2 -extfile extensions -out certificate.pem
                """
            let said = try await EtcdCluster.output(
                ["bash", "-c", script, "certificate", folder.path, cluster.certificates.path])
            let certificate = folder.appending(path: "certificate.pem").path
            try #require(FileManager.default.fileExists(atPath: certificate), "\(said)")
            return [
                "ETCD_CLIENT_CERT": certificate,
                "ETCD_CLIENT_KEY": folder.appending(path: "key.pem").path,
            ]
        }
    }
}
