import Foundation
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// Services that start when old events are in the archive alone.
    @Suite("Starting with an archive")
    struct ArchivedStartTests {
        @Test(
            "protocol.md 26: a service that starts while its archive is wrong reads by number, says why it does not seal, and seals once the archive is right"
        )
        func wrongArchive() async throws {
            let key = try SigningKeyFile(seed: 32)
            let folder = try ArchiveFolder()
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = [
                "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
                "LEDGER_SIGNING_KEY": key.path, "LEDGER_ARCHIVE": folder.setting,
                "LEDGER_ARCHIVE_INTERVAL": "1", "LEDGER_ARCHIVE_RETAIN_EVENTS": "8192",
            ]
            try await withLedger(on: cluster, settings: settings) { first in
                for part in 1...4 {
                    let answers = try await first.calls.submitStream(
                        Ledger_CertifiedEvent.samples("part-\(part)", count: 4_500))
                    #expect(answers.allSatisfy { $0.isSealed })
                }
                try await eventually("old events leave etcd", within: .seconds(120)) {
                    try await first.process.metric("ledger_archive_trimmed") >= 8_192
                }
                await first.process.kill()
                let segment = "ids/00000000000000000001"
                try folder.change(segment) { $0[50] ^= 1 }
                try await first.another().use { second in
                    let health = try await second.calls.detailedHealth()
                    #expect(health.status == .degraded)
                    #expect(health.message.contains("cannot be loaded yet"), "\(health.message)")
                    #expect(try await second.calls.event(17_000).sequenceNumber == 17_000)
                    let refused = await second.calls.submit(.sample("meanwhile"))
                    #expect(!refused.isSealed)

                    try folder.change(segment) { $0[50] ^= 1 }
                    try await eventually("it seals", within: .seconds(60)) {
                        try await second.calls.healthCheck().healthy
                    }
                    #expect(!second.process.log.contains("sealing has stopped"))
                    let old = try #require(
                        Ledger_CertifiedEvent.samples("part-1", count: 1).first)
                    let again = await second.calls.submit(old)
                    #expect(
                        again.isProofOfSealing && !again.isSealed,
                        "the duplicate of an archived event was not seen")
                    #expect(await second.calls.submit(.sample("afterwards")).isSealed)
                }
            }
        }
    }
}
