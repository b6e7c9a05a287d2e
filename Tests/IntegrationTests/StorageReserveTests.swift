import Foundation
import GRPCCore
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// An etcd that is nearly full.
    @Suite("Reserve of storage", .serialized)
    struct StorageReserveTests {
        private static let quota = 48 << 20

        @Test("near the quota submissions are refused before etcd's alarm, until room was made")
        func reserve() async throws {
            try await withCluster(
                size: 1, flags: ["--quota-backend-bytes", "\(Self.quota)"]
            ) { cluster in
                // What an operator can delete later on.
                let junk = cluster.folder.appending(path: "junk")
                try Data(repeating: 0x61, count: 1_000_000).write(to: junk)
                for number in 0..<16 {
                    let script = "etcdctl put junk/\(number) < \"$0\""
                    _ = try await cluster.run(["bash", "-c", script, junk.path])
                }
                try await withLedger(
                    on: cluster,
                    settings: [
                        "LEDGER_ETCD_QUOTA_BYTES": "\(Self.quota)", "LEDGER_STORAGE_RESERVE": "20",
                    ]
                ) { ledger in
                    let calls = ledger.calls
                    let log = SubmissionLog()
                    let load = SubmissionLoad(
                        [calls], log: log, callers: 4, prefix: "fill", payloadBytes: 40_000)
                    // What the replica reckons by itself in between is a little more than what etcd then says.
                    try await eventually("submissions are refused", within: .seconds(60)) {
                        let left = try await ledger.process.metric("ledger_etcd_seconds_until_full")
                        return left == 0 && log.count(where: Self.isStorageFull) >= 20
                    }
                    await load.stop()
                    try await expectRefusing(ledger, cluster)
                    #expect(await Self.isStorageFull(calls.submit(.sample("small"))))
                    #expect(try await calls.event(5).sequenceNumber == 5)

                    try await cluster.etcdctl(["del", "--prefix", "junk/"])
                    let revision = try await revision(cluster)
                    try await cluster.etcdctl(["compaction", "--physical", revision])
                    try await cluster.etcdctl(["defrag"])
                    // Nobody submits: health itself must find out, and no process is started anew.
                    try await eventually("health says that events are sealed") {
                        try await calls.healthCheck().healthy
                    }
                    #expect(try await calls.settle(.sample("after")).event != nil)
                    try await log.settleOpen(with: calls)
                    #expect(try await LedgerCheck.contradictions(calls, log) == [])
                }
            }
        }

        private func expectRefusing(
            _ ledger: LedgerFixture, _ cluster: EtcdCluster
        ) async throws {
            #expect(try await cluster.etcdctl(["alarm", "list"]).contains("NOSPACE") == false)
            let health = try await ledger.calls.healthCheck()
            #expect(health.status == "READ_ONLY" && !health.healthy)
            let detailed = try await ledger.calls.detailedHealth()
            let storage = detailed.dependencies.first { $0.name == "storage" }
            #expect(storage?.status == .degraded)
            #expect(storage?.message.contains("of its quota") ?? false)
            #expect(storage?.metadata["seconds_until_full"] == "0")
            let metrics = try await ledger.process.metrics()
            #expect(metrics["ledger_etcd_seconds_until_full"] == 0)
            #expect(metrics["ledger_etcd_quota_bytes"] == Double(Self.quota))
            let size = try #require(metrics["ledger_etcd_database_bytes"])
            #expect(size < Double(Self.quota))
            print("refusing at \(Int(size)) of \(Self.quota) bytes")
        }

        private func revision(_ cluster: EtcdCluster) async throws -> String {
            let said = try await cluster.etcdctl(["endpoint", "status", "-w", "json"])
            let found = try #require(said.firstMatch(of: /"revision":([0-9]+)/))
            return String(found.1)
        }

        private static func isStorageFull(_ answer: CallAnswer) -> Bool {
            if case .notSealed(.resourceExhausted, "STORAGE_FULL") = answer { true } else { false }
        }

        @Test("the time until it is full is told from the growth")
        func forecast() async throws {
            try await withCluster(size: 1) { cluster in
                try await withLedger(
                    on: cluster, settings: ["LEDGER_ETCD_QUOTA_BYTES": "536870912"]
                ) { ledger in
                    let load = SubmissionLoad(
                        [ledger.calls], log: SubmissionLog(), callers: 2, prefix: "grow",
                        payloadBytes: 40_000)
                    try await eventually("a forecast", within: .seconds(60)) {
                        let seconds = try await ledger.process.metrics()[
                            "ledger_etcd_seconds_until_full"]
                        return seconds.map { $0.isFinite && $0 > 0 } ?? false
                    }
                    await load.stop()
                    let health = try await ledger.calls.detailedHealth()
                    let storage = health.dependencies.first { $0.name == "storage" }
                    #expect(storage?.message.contains("full in about") ?? false)
                    let seconds = storage?.metadata["seconds_until_full"].flatMap { Int($0) }
                    #expect(seconds ?? 0 > 0)
                    let port = try await ledger.process.adminPort()
                    let page = try await LoopbackHTTP.get(port: port, path: "/health")
                    #expect(page?.body.contains("\"seconds_until_full\":\"") ?? false)
                }
            }
        }
    }
}
