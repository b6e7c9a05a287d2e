import EtcdGateway
import Foundation
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// Services that archive into a folder, each archive verified by a program that shares no code with them.
    @Suite("Archiving", .serialized)
    struct ArchiveTests {
        static let patience = [
            "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
        ]

        /// Runs a test with a service that archives.
        private func withArchive(
            interval: Int = 2, _ changes: [String: String] = [:],
            _ body: (LedgerFixture, ArchiveFolder, SigningKeyFile) async throws -> Void
        ) async throws {
            let key = try SigningKeyFile(seed: 31)
            let folder = try ArchiveFolder()
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = Self.patience.merging([
                "LEDGER_SIGNING_KEY": key.path, "LEDGER_ARCHIVE": folder.setting,
                "LEDGER_ARCHIVE_INTERVAL": "\(interval)",
            ]) { $1 }.merging(changes) { $1 }
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await body(ledger, folder, key)
            }
        }

        private func seal(_ prefix: String, _ count: Int, _ ledger: LedgerFixture) async throws {
            let answers = try await ledger.calls.submitStream(
                Ledger_CertifiedEvent.samples(prefix, count: count))
            #expect(answers.allSatisfy { $0.isSealed })
        }

        private func waitUntilArchived(_ number: Int, _ ledger: LedgerFixture) async throws {
            try await eventually("\(number) events are archived", within: .seconds(60)) {
                try await ledger.process.metric("ledger_archive_through") >= Double(number)
            }
        }

        private func dependency(
            _ ledger: LedgerFixture
        ) async throws -> Ledger_DependencyHealth {
            let health = try await ledger.calls.detailedHealth()
            return try #require(health.dependencies.first { $0.name == "archive" })
        }

        @Test("what was sealed is in the archive soon, partial tiles included, and is counted")
        func appears() async throws {
            try await withArchive { ledger, folder, key in
                try await seal("first", 1, ledger)
                try await waitUntilArchived(1, ledger)
                try await folder.verify(key: key.signer.verifier.verifierKey, sizeAtLeast: 1)
                #expect(folder.exists("tile/entries/000.p/1"))
                try await seal("more", 4_500, ledger)
                try await waitUntilArchived(4_501, ledger)
                try await folder.verify(key: key.signer.verifier.verifierKey, sizeAtLeast: 4_501)
                #expect(folder.exists("ids/00000000000000000000"))
                let metrics = try await ledger.process.metrics()
                #expect(metrics["ledger_archive_lag_events"] == 0)
                #expect(metrics["ledger_archive_failures_total"] == 0)
                #expect(metrics["ledger_archive_contradictions_total"] == 0)
                let put = "ledger_archive_requests_total{operation=\"put\",result=\"ok\"}"
                #expect((metrics[put] ?? 0) > 30)
                let bytes = "ledger_archive_bytes_total{operation=\"put\"}"
                #expect((metrics[bytes] ?? 0) > 500_000)
                let dependency = try await dependency(ledger)
                #expect(dependency.status == .healthy && !dependency.isCritical)
                #expect(dependency.metadata["through"] == "4501")
                try await withKeys(of: ledger) { stored in
                    let bytes = try #require(try await stored.value(stored.keys.archive))
                    let record = try ArchiveRecord(decodingJSON: bytes)
                    #expect(record.location == folder.setting && record.through == 4_501)
                    #expect(record.trimmed == .zero)
                }
            }
        }

        @Test("two replicas archive one ledger, and go on where one was killed or paused")
        func two() async throws {
            try await withArchive { first, folder, key in
                let verifierKey = key.signer.verifier.verifierKey
                try await first.another().use { second in
                    try await seal("both", 900, first)
                    try await waitUntilArchived(900, second)
                    try await folder.verify(key: verifierKey, sizeAtLeast: 900)
                    // Whoever seals now: the other one takes over sealing and archiving.
                    second.process.pause()
                    try await seal("one", 700, first)
                    try await waitUntilArchived(1_600, first)
                    try await folder.verify(key: verifierKey, sizeAtLeast: 1_600)
                    second.process.resume()
                    await first.process.kill()
                    try await eventually("the second seals", within: .seconds(60)) {
                        await second.calls.submit(.sample("alone")).isSealed
                    }
                    try await seal("two", 700, second)
                    try await waitUntilArchived(2_301, second)
                    try await folder.verify(key: verifierKey, sizeAtLeast: 2_301)
                }
            }
        }

        @Test(
            "while the archive is away events are sealed, health is degraded, and it is made up for later"
        )
        func away() async throws {
            try await withArchive(interval: 1) { ledger, folder, key in
                try await seal("before", 300, ledger)
                try await waitUntilArchived(300, ledger)
                try folder.setReachable(false)
                try await seal("during", 600, ledger)
                try await eventually("health says so") {
                    try await dependency(ledger).status == .degraded
                }
                let health = try await ledger.calls.detailedHealth()
                #expect(health.status == .degraded)
                #expect(try await ledger.calls.healthCheck().healthy)
                #expect(try await dependency(ledger).error == "storage_no_such_bucket")
                #expect(try await ledger.process.metric("ledger_archive_failures_total") > 0)
                try await seal("still", 300, ledger)
                #expect(
                    ledger.process.log.components(separatedBy: "events are not archived").count
                        == 2,
                    "it is said once")
                try folder.setReachable(true)
                try await waitUntilArchived(1_200, ledger)
                try await folder.verify(
                    key: key.signer.verifier.verifierKey, sizeAtLeast: 1_200)
                #expect(try await dependency(ledger).status == .healthy)
            }
        }

        @Test(
            "an archiver that is killed again and again leaves a whole log, and the next one goes on"
        )
        func killed() async throws {
            try await withArchive(interval: 1) { ledger, folder, key in
                let verifierKey = key.signer.verifier.verifierKey
                try await seal("lasting", 200, ledger)
                try await waitUntilArchived(200, ledger)
                await ledger.process.kill()
                for round in 1...4 {
                    try await ledger.another().use { victim in
                        // Killed while its first rounds are under way, or before them.
                        try await seal("round-\(round)", 1_500, victim)
                        await victim.process.kill()
                    }
                    try await folder.verify(key: verifierKey, sizeAtLeast: 200)
                }
                try await ledger.another().use { survivor in
                    try await waitUntilArchived(6_200, survivor)
                    try await folder.verify(key: verifierKey, sizeAtLeast: 6_200)
                }
            }
        }

        @Test("an archive that knows more than the store fences, and says what to do")
        func fences() async throws {
            try await withArchive(interval: 1) { ledger, folder, _ in
                try await seal("sealed", 300, ledger)
                try await waitUntilArchived(300, ledger)
                await ledger.process.kill()
                // Another ledger of the same key, with fewer events: as a restored backup is.
                try await ledger.another([
                    "LEDGER_PREFIX":
                        "\(EtcdCluster.ledgers)restored-\(UUID().uuidString.prefix(8))/"
                ]).use { restored in
                    try await eventually("the service is fenced") {
                        try await restored.calls.healthCheck().status == "FENCED"
                    }
                    try await eventually("the log says what to do") {
                        restored.process.log.contains("run ledgerctl archive recover")
                    }
                    #expect(restored.process.log.contains("the archive"))
                }
                #expect(folder.exists("checkpoint"))
            }
        }

        @Test("a ledger that is archived elsewhere is archived nowhere else")
        func elsewhere() async throws {
            try await withArchive(interval: 1) { ledger, folder, _ in
                try await seal("here", 300, ledger)
                try await waitUntilArchived(300, ledger)
                let other = try ArchiveFolder()
                try await ledger.another(["LEDGER_ARCHIVE": other.setting]).use { second in
                    await ledger.process.kill()
                    try await eventually("health says so", within: .seconds(60)) {
                        try await dependency(second).error == "other_location"
                    }
                    #expect(second.process.log.contains("set LEDGER_ARCHIVE to it"))
                    #expect(!other.exists("checkpoint"))
                }
                #expect(folder.exists("checkpoint"))
            }
        }
    }
}
