import Foundation
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// Services that archive into a bucket of a real S3 server.
    @Suite("Archiving into a bucket", .serialized)
    struct BucketArchiveTests {
        /// What a service, and ledgerctl, need for a bucket.
        private func environment(_ server: S3Server, port: Int, prefix: String) -> [String: String]
        {
            [
                "LEDGER_ARCHIVE": "s3://\(server.report.bucket)/\(prefix)",
                "LEDGER_ARCHIVE_ENDPOINT": "http://127.0.0.1:\(port)",
                "LEDGER_ARCHIVE_REGION": server.report.region,
                "LEDGER_ARCHIVE_ACCESS_KEY": server.report.accessKey,
                "LEDGER_ARCHIVE_SECRET_KEY": server.report.secretKey,
            ]
        }

        /// Runs ledgerctl without etcd and without a service.
        private func ledgerctl(
            _ arguments: [String], _ environment: [String: String]
        ) async throws -> (status: Int32, text: String) {
            let folder = FileManager.default.temporaryDirectory
            let log = folder.appending(path: "bucket-\(UUID().uuidString).log")
            defer { try? FileManager.default.removeItem(at: log) }
            let process = try ChildProcess(
                LedgerProcess.program("ledgerctl"), arguments: arguments, environment: environment,
                in: folder, log: log)
            let status = await process.waitForEnd()
            return (status, process.output)
        }

        @Test(
            "over TLS the store is believed by the authority that is set and by no other, whichever way requests name it"
        )
        func transport() async throws {
            let server = try await S3Server.shared()
            let key = try SigningKeyFile(seed: 41)
            var bucket = environment(server, port: 0, prefix: "ledgers/\(UUID().uuidString)")
            bucket["LEDGER_ARCHIVE_ENDPOINT"] = server.report.endpoint
            bucket["LEDGER_ARCHIVE_CA_CERT"] = server.report.ca
            bucket["LEDGER_ARCHIVE_ADDRESSING"] = "path"
            bucket["LEDGER_ARCHIVE_CONDITIONAL_PUT"] = "off"
            let others = server.report.ca
                .replacingOccurrences(of: "/ca.pem", with: "/service-ca.pem")
            var settings = bucket.merging([
                "LEDGER_SIGNING_KEY": key.path, "LEDGER_ARCHIVE_INTERVAL": "1",
            ]) { $1 }
            settings["LEDGER_ARCHIVE_CA_CERT"] = others
            let cluster = try await EtcdCluster.sharedForLedgers()
            let right = settings.merging(["LEDGER_ARCHIVE_CA_CERT": server.report.ca]) { $1 }
            try await withLedger(on: cluster, settings: settings) { ledger in
                let answers = try await ledger.calls.submitStream(
                    Ledger_CertifiedEvent.samples("tls", count: 300))
                #expect(answers.allSatisfy { $0.isSealed })
                try await eventually("it says why nothing is archived", within: .seconds(60)) {
                    ledger.process.log.contains("check the endpoint and the CA file")
                }
                #expect(try await ledger.process.metric("ledger_archive_through") == 0)
                try await ledger.another(right).use { second in
                    try await eventually("all is archived", within: .seconds(120)) {
                        try await second.process.metric("ledger_archive_through") >= 300
                    }
                }
            }
            let verify = ["archive", "verify", "--verifier-key", key.signer.verifier.verifierKey]
            let verified = try await ledgerctl(verify, bucket)
            #expect(verified.status == 0 && verified.text.contains("300 events"), "\(verified)")
            let refused = try await ledgerctl(
                verify, bucket.merging(["LEDGER_ARCHIVE_CA_CERT": others]) { $1 })
            #expect(refused.status == 8 && refused.text.contains("CA file"), "\(refused)")
            // The bucket is a host; and what this store does not know is an error where it is wanted.
            var host = bucket
            host["LEDGER_ARCHIVE_ENDPOINT"] = "http://\(server.report.domain):\(server.plainPort)"
            host["LEDGER_ARCHIVE_ADDRESSING"] = "virtual"
            let below = try await ledgerctl(verify, host)
            #expect(below.status == 0 && below.text.contains("300 events"), "\(below)")
            let copy = bucket.merging(["LEDGER_ARCHIVE_CONDITIONAL_PUT": "on"]) { $1 }
            let unknown = try await ledgerctl(
                ["archive", "export"] + verify.dropFirst(2)
                    + ["--to", "s3://\(server.report.bucket)/copies/\(UUID().uuidString)"], copy)
            #expect(unknown.status != 0 && unknown.text.contains("NotImplemented"), "\(unknown)")
        }

        @Test("what was sealed is in the bucket, is verified from there, and copied to a folder")
        func archive() async throws {
            let server = try await S3Server.shared()
            // One request in ten is not carried out, or its answer does not come.
            let proxy = try HTTPFaultProxy(to: server.plainPort) { number, _ in
                switch number % 20 {
                case 7: .answerLost
                case 13: .slowDown
                default: nil
                }
            }
            defer { proxy.stop() }
            let key = try SigningKeyFile(seed: 37)
            let verifierKey = key.signer.verifier.verifierKey
            let bucket = environment(
                server, port: proxy.port, prefix: "ledgers/\(UUID().uuidString)")
            let settings = bucket.merging([
                "LEDGER_SIGNING_KEY": key.path, "LEDGER_ARCHIVE_INTERVAL": "1",
            ]) { $1 }
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: settings) { ledger in
                let answers = try await ledger.calls.submitStream(
                    Ledger_CertifiedEvent.samples("bucket", count: 700))
                #expect(answers.allSatisfy { $0.isSealed })
                try await eventually("all is archived", within: .seconds(120)) {
                    try await ledger.process.metric("ledger_archive_through") >= 700
                }
            }
            let verified = try await ledgerctl(
                ["archive", "verify", "--verifier-key", verifierKey], bucket)
            #expect(verified.status == 0, "\(verified.text)")
            #expect(verified.text.contains("700 events"))
            let copy = try ArchiveFolder()
            let exported = try await ledgerctl(
                ["archive", "export", "--verifier-key", verifierKey, "--to", copy.setting], bucket)
            #expect(exported.status == 0, "\(exported.text)")
            try await copy.verify(key: verifierKey, sizeAtLeast: 700)

            var wrong = bucket
            wrong["LEDGER_ARCHIVE_SECRET_KEY"] = "hush"
            let refused = try await ledgerctl(
                ["archive", "verify", "--verifier-key", verifierKey], wrong)
            #expect(refused.status != 0 && refused.text.contains("SignatureDoesNotMatch"))
            #expect(!refused.text.contains("hush"))
        }
    }
}
