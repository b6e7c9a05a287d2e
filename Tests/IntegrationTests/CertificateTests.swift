import Foundation
import GRPCNIOTransportHTTP2
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// Certificates that are replaced while callers submit.
    @Suite("Certificates", .serialized)
    struct CertificateTests {
        @Test("renewed on the gRPC port and towards etcd under load, no call fails")
        func rotation() async throws {
            try await withCluster { cluster in
                let folder = cluster.folder.appending(path: "rotated")
                let shared = cluster.certificates
                try FileManager.default.copyItem(at: shared, to: folder)
                func file(_ name: String) -> String { folder.appending(path: name).path }
                let settings = [
                    "LEDGER_TLS_CERT": file("ledger-service.pem"),
                    "LEDGER_TLS_KEY": file("ledger-service-key.pem"),
                    "LEDGER_TLS_CLIENT_CA": file("service-ca.pem"),
                    "LEDGER_INTERNAL_TLS_CERT": file("ledger-replica.pem"),
                    "LEDGER_INTERNAL_TLS_KEY": file("ledger-replica-key.pem"),
                    "LEDGER_INTERNAL_TLS_CA": file("replica-ca.pem"),
                    "ETCD_CLIENT_CERT": file("etcd-client.pem"),
                    "ETCD_CLIENT_KEY": file("etcd-client-key.pem"),
                    // Connections to etcd are made anew all the time, with what the files hold then.
                    "ETCD_CONNECTION_MAX_LIFETIME": "1",
                ]
                try await withLedger(on: cluster, settings: settings) { ledger in
                    let port = try await ledger.process.port()
                    let log = SubmissionLog()
                    let calls = try LedgerCalls(port: port, security: .caller(in: shared))
                    let load = SubmissionLoad([calls], log: log, callers: 4, prefix: "old")
                    try await eventually("events are sealed") { log.acknowledgedCount >= 20 }
                    let before = try await serialNumber(port)
                    try await EtcdCluster.rotate(
                        ["ledger-service", "ledger-replica", "etcd-client"], in: folder)
                    try await eventually("the new certificate is shown", within: .seconds(30)) {
                        try await serialNumber(port) != before
                    }
                    // New callers meet the new certificate, and those from before go on.
                    let later = try LedgerCalls(port: port, security: .caller(in: shared))
                    let more = SubmissionLoad([later], log: log, callers: 4, prefix: "new")
                    let count = log.acknowledgedCount
                    try await eventually("events are sealed after it") {
                        log.acknowledgedCount >= count + 100
                    }
                    await load.stop()
                    await more.stop()
                    let failed = log.answers.filter { !$0.isSealed }
                    #expect(failed.isEmpty, "\(failed.prefix(3))")
                    let sealed = try await calls.event(1)
                    #expect(sealed.submitter == "spiffe://immutable-ledger.local/veps")
                    await calls.close()
                    await later.close()
                }
            }
        }

        @Test(
            "keys with curve parameters and CR LF, and chains, serve callers, replicas and etcd alike"
        )
        func notations() async throws {
            try await withCluster { cluster in
                let folder = cluster.folder.appending(path: "notations")
                let shared = cluster.certificates
                try FileManager.default.copyItem(at: shared, to: folder)
                _ = try await EtcdCluster.output([
                    "bash", "-euc",
                    """
                    cd '\(folder.path)'
                    for name in ledger-service ledger-replica etcd-client; do
                        { openssl ecparam -name prime256v1
                          openssl pkey -in $name-key.pem -traditional; } | sed 's/$/\\r/' >key
                        cat $name.pem replica-ca.pem | sed 's/$/\\r/' >certificate
                        mv key $name-key.pem
                        mv certificate $name.pem
                    done
                    for name in service-ca replica-ca ca; do
                        cat etcd-client.pem $name.pem >both
                        mv both $name.pem
                    done
                    """,
                ])
                func file(_ name: String) -> String { folder.appending(path: name).path }
                let settings = [
                    "LEDGER_TLS_CERT": file("ledger-service.pem"),
                    "LEDGER_TLS_KEY": file("ledger-service-key.pem"),
                    "LEDGER_TLS_CLIENT_CA": file("service-ca.pem"),
                    "LEDGER_INTERNAL_TLS_CERT": file("ledger-replica.pem"),
                    "LEDGER_INTERNAL_TLS_KEY": file("ledger-replica-key.pem"),
                    "LEDGER_INTERNAL_TLS_CA": file("replica-ca.pem"),
                    "ETCD_CA_CERT": file("ca.pem"),
                    "ETCD_CLIENT_CERT": file("etcd-client.pem"),
                    "ETCD_CLIENT_KEY": file("etcd-client-key.pem"),
                ]
                // Two replicas: the second one forwards over the internal port.
                try await withLedger(on: cluster, settings: settings) { first in
                    try await first.another().use { ledger in
                        let calls = try LedgerCalls(
                            port: try await ledger.process.port(), security: .caller(in: shared))
                        let log = SubmissionLog()
                        let load = SubmissionLoad([calls], log: log, callers: 1, prefix: "n")
                        try await eventually("events are forwarded and sealed") {
                            guard log.acknowledgedCount >= 5 else { return false }
                            let state = try await ledger.process.metric("ledger_is_sealer")
                            return state == 0
                        }
                        await load.stop()
                        await calls.close()
                    }
                }
            }
        }

        /// The serial number of the certificate that the port shows.
        private func serialNumber(_ port: Int) async throws -> String {
            let shown = try await EtcdCluster.output([
                "bash", "-c",
                "openssl s_client -connect 127.0.0.1:\(port) -alpn h2 </dev/null 2>/dev/null "
                    + "| openssl x509 -noout -serial",
            ])
            guard shown.contains("serial=") else { throw TestFailure("no certificate: \(shown)") }
            return shown
        }
    }
}

extension HTTP2ClientTransport.Posix.TransportSecurity {
    /// A caller with a certificate, who checks the service's.
    static func caller(in folder: URL) -> Self {
        .mTLS(
            certificateChain: [
                .file(path: folder.appending(path: "ledger-client.pem").path, format: .pem)
            ],
            privateKey: .file(
                path: folder.appending(path: "ledger-client-key.pem").path, format: .pem)
        ) {
            $0.trustRoots = .certificates([
                .file(path: folder.appending(path: "service-ca.pem").path, format: .pem)
            ])
            // The address is an IP address, which the certificate carries beside its names.
            $0.serverCertificateVerification = .noHostnameVerification
        }
    }
}
