import EtcdGateway
import Foundation
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// Addresses, keys and secrets of the connections to etcd.
    @Suite("Connections to etcd", .serialized)
    struct EtcdConnectionTests {
        @Test("a member that comes back under another address is found again by its name")
        func movedMember() async throws {
            let cluster = try await EtcdCluster.start(size: 1)
            try await ended(cluster) {
                let port = cluster.endpoints[0].port
                let certificate = try await Self.certificate(for: Self.name, in: cluster)
                func listen(on address: String) async throws {
                    try await cluster.restart(
                        0,
                        flags: [
                            "--cert-file", certificate.certificate, "--key-file", certificate.key,
                            "--listen-client-urls",
                            "https://127.0.0.1:\(port),https://\(address):\(port)",
                        ])
                }
                // The service sees this file in place of /etc/hosts, and nobody else does.
                let hosts = cluster.folder.appending(path: "hosts")
                func name(_ address: String) throws {
                    // In place: the service's /etc/hosts is this very file.
                    let file = try FileHandle(forWritingTo: hosts)
                    try file.truncate(atOffset: 0)
                    try file.write(contentsOf: Data("\(address) \(Self.name)\n".utf8))
                    try file.close()
                }
                try Data().write(to: hosts)
                try await listen(on: "127.0.0.2")
                try name("127.0.0.2")
                let process = try LedgerProcess(
                    on: cluster, settings: ["ETCD_ENDPOINTS": "https://\(Self.name):\(port)"],
                    wrapper: Self.withHosts(hosts))
                try await process.waitUntilReady()
                let calls = try await LedgerCalls(process)
                #expect(await calls.submit(.sample("before")).isSealed)

                try await listen(on: "127.0.0.3")
                try name("127.0.0.3")
                // Well below the minute for which libcurl remembers addresses by itself.
                let settled = try await calls.settle(.sample("after"), within: .seconds(20))
                #expect(settled.event?.sequenceNumber == 2)
                await calls.close()
                await process.kill()
            }
        }

        @Test(
            "a key that is encrypted later on is no question to anybody, and the last good one goes on"
        )
        func neverPrompts() async throws {
            let cluster = try await EtcdCluster.start(size: 1)
            try await ended(cluster) {
                let key = cluster.folder.appending(path: "client-key.pem")
                let plain = try Data(
                    contentsOf: cluster.certificates.appending(path: "etcd-client-key.pem"))
                try plain.write(to: key)
                let process = try LedgerProcess(
                    on: cluster, settings: ["ETCD_CLIENT_KEY": key.path],
                    wrapper: ["python3", "-c", Self.atTerminal])
                try await process.waitUntilReady()
                let calls = try await LedgerCalls(process)
                #expect(await calls.submit(.sample("before")).isSealed)

                // The member's new process is reached over new connections.
                for form in ["pkey", "ec"] {
                    _ = try await EtcdCluster.output([
                        "openssl", form, "-in",
                        cluster.certificates.appending(path: "etcd-client-key.pem").path,
                        "-aes256", "-passout", "pass:secret", "-out", key.path,
                    ])
                    let encrypted = try String(contentsOf: key, encoding: .utf8)
                    #expect(encrypted.contains("ENCRYPTED"))
                    try await cluster.restart(0)
                    let meanwhile = try await calls.settle(.sample("meanwhile-\(form)"))
                    #expect(meanwhile.event != nil)
                    // What OpenSSL asks at a terminal.
                    #expect(!process.log.contains("Enter PEM pass phrase"), "\(process.lastLines)")
                    try await eventually("the log tells of it") {
                        process.log.contains("could not be read again")
                    }
                    try plain.write(to: key)
                    let settled = try await calls.settle(.sample("after-\(form)"))
                    #expect(settled.event != nil)
                }
                await calls.close()
                process.terminate()
                #expect(try await process.waitForEnd() == 0)
            }
        }

        @Test("SSLKEYLOGFILE has no effect")
        func keyLog() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let file = cluster.folder.appending(path: "keys-\(UUID().uuidString).log")
            try await withLedger(on: cluster, settings: ["SSLKEYLOGFILE": file.path]) { ledger in
                #expect(await ledger.calls.submit(.sample("one")).isSealed)
                #expect(!FileManager.default.fileExists(atPath: file.path))
            }
        }

        // MARK: Pieces

        private static let name = "etcd-member.test"

        /// Runs a program in a mount namespace of its own, with this file as /etc/hosts.
        private static func withHosts(_ file: URL) -> [String] {
            [
                "unshare", "--mount", "sh", "-c",
                "mount --bind \"$0\" /etc/hosts && exec \"$@\"", file.path,
            ]
        }

        /// Runs a program at a terminal of its own, and passes SIGTERM on to it.
        private static let atTerminal = """
            import os, pty, signal, sys
            child, terminal = pty.fork()
            if child == 0:
                os.execv(sys.argv[1], sys.argv[1:])
            signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            while True:
                try:
                    output = os.read(terminal, 65536)
                except OSError:
                    break
                if not output:
                    break
                os.write(1, output.replace(bytes([13]), b""))
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
            """

        /// A certificate of etcd's for a name, signed by the cluster's CA.
        private static func certificate(
            for name: String, in cluster: EtcdCluster
        ) async throws -> (certificate: String, key: String) {
            let script = """
                set -e
                openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                    -keyout "$1/named-key.pem" -out "$1/named.csr" -subj "/O=named"
                printf '%s\\n' "subjectAltName=DNS:$3,DNS:localhost,IP:127.0.0.1" \
                    "extendedKeyUsage=serverAuth,clientAuth" > "$1/named.ext"
                openssl x509 -req -in "$1/named.csr" -CA "$2/ca.pem" -CAkey "$2/ca-key.pem" \
                    -days 2 -extfile "$1/named.ext" -out "$1/named.pem"
                """
            let folder = cluster.folder.path
            let said = try await EtcdCluster.output([
                "sh", "-c", script, "sh", folder, cluster.certificates.path, name,
            ])
            guard FileManager.default.fileExists(atPath: "\(folder)/named.pem") else {
                throw TestFailure("no certificate:\n\(said)")
            }
            return ("\(folder)/named.pem", "\(folder)/named-key.pem")
        }
    }
}

/// Runs a test and ends its cluster, with all that lives in it.
private func ended(_ cluster: EtcdCluster, _ body: () async throws -> Void) async throws {
    do {
        try await body()
        await cluster.stop()
    } catch {
        await cluster.stop()
        throw error
    }
}
