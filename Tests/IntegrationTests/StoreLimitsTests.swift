import GRPCCore
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// An etcd that is full, or that asks who calls.
    @Suite("Limits of the store", .serialized)
    struct StoreLimitsTests {
        @Test("a full etcd refuses with certainty, reads go on, and nothing was lost")
        func noSpace() async throws {
            try await withCluster(
                size: 1, flags: ["--quota-backend-bytes", "8388608"]
            ) { cluster in
                try await withLedger(on: cluster) { ledger in
                    let calls = ledger.calls
                    let log = SubmissionLog()
                    let load = SubmissionLoad(
                        [calls], log: log, callers: 8, prefix: "fill", payloadBytes: 40_000)
                    try await eventually("the store is full", within: .seconds(60)) {
                        log.count(where: Self.isStorageFull) >= 20
                    }
                    await load.stop()
                    #expect(log.acknowledgedCount > 20)
                    try await expectReadOnly(ledger)
                    let refused = await log.record(.sample("small")) { await calls.submit($0) }
                    #expect(Self.isStorageFull(refused), "\(refused)")
                    #expect(try await calls.event(5).sequenceNumber == 5)
                    #expect(try await LedgerCheck.contradictions(calls, log) == [])

                    try await cluster.restart(0, flags: [])
                    try await cluster.etcdctl(["alarm", "disarm"])
                    // Nobody submits: health itself must find out.
                    try await eventually("health says that events are sealed") {
                        try await calls.healthCheck().healthy
                    }
                    #expect(
                        try await calls.servingStatus("ledger.ImmutableLedger") == .serving)
                    try await log.settleOpen(with: calls)
                    let after = try await log.record(.sample("after")) {
                        try await calls.settle($0)
                    }
                    #expect(after.isSealed)
                    #expect(try await LedgerCheck.contradictions(calls, log) == [])
                }
            }
        }

        /// Health is what a submission would be told, however it is asked for.
        private func expectReadOnly(_ ledger: LedgerFixture) async throws {
            let calls = ledger.calls
            let health = try await calls.healthCheck()
            #expect(health.status == "READ_ONLY" && !health.healthy)
            #expect(try await calls.servingStatus("ledger.ImmutableLedger") == .notServing)
            #expect(try await calls.servingStatus("") == .serving)
            let admin = try await ledger.process.adminPort()
            let ready = try await LoopbackHTTP.get(port: admin, path: "/readyz")
            #expect(ready?.status == 200)
            #expect(ready?.body.hasPrefix("READ_ONLY: etcd has no space") ?? false)
            let page = try await LoopbackHTTP.get(port: admin, path: "/health")
            #expect(page?.body.contains("no space left") ?? false)
            #expect(page?.body.contains("DEGRADED") ?? false)
        }

        private static func isStorageFull(_ answer: CallAnswer) -> Bool {
            if case .notSealed(.resourceExhausted, "STORAGE_FULL") = answer { true } else { false }
        }

        @Test("with etcd's RBAC on, a user that may use the ledger's prefix alone is enough")
        func accessControl() async throws {
            try await withCluster(size: 1) { cluster in
                let password = try #require(cluster.environment["ETCD_PASSWORD"])
                try await withLedger(on: cluster) { ledger in
                    let events = Ledger_CertifiedEvent.samples("rbac", count: 10)
                    for event in events.dropLast() {
                        #expect(await ledger.calls.submit(event).isSealed)
                    }
                    // Tokens are in the memory of etcd alone.
                    try await cluster.restart(0)
                    let last = try await ledger.calls.settle(events[9])
                    #expect(last.event?.sequenceNumber == 10)
                    #expect(try await LedgerCheck.contradictions(ledger.calls) == [])
                    #expect(!ledger.process.log.contains(password))
                }
            }
        }

        @Test("a wrong password for etcd leaves the service waiting, and is not logged")
        func wrongPassword() async throws {
            try await withCluster(size: 1) { cluster in
                let ledger = try await LedgerFixture.start(
                    on: cluster,
                    settings: ["ETCD_PASSWORD": "not-the-password"],
                    waitsUntilReady: false)
                try await ledger.use { ledger in
                    try await eventually("the log speaks of it") {
                        ledger.process.log.contains("cannot be read yet")
                    }
                    #expect(try await ledger.calls.healthCheck().status == "STARTING")
                    let answer = await ledger.calls.submit(.sample("one"))
                    #expect(answer.isNotSealed, "\(answer)")
                    #expect(!ledger.process.log.contains("not-the-password"))
                }
            }
        }
    }
}
