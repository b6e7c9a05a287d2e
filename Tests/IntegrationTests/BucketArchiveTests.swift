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
