import EtcdGateway
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// Circuit breakers and counted connections of a service, while its etcd goes away and comes back.
    @Suite("Breakers of etcd's members", .serialized)
    struct EtcdBreakerTests {
        enum Fault: String, CaseIterable, Sendable {
            case killed, paused, blackholed
        }

        @Test(
            "the breaker opens, submissions are rejected with certainty, and it closes in time",
            arguments: Fault.allCases)
        func opensAndCloses(_ fault: Fault) async throws {
            try await withCluster(size: 1) { cluster in
                let proxy = try FaultProxy(to: cluster.endpoints[0])
                defer { proxy.stop() }
                let endpoint = fault == .blackholed ? proxy.endpoint : cluster.endpoints[0]
                try await withLedger(
                    on: cluster, settings: ["ETCD_ENDPOINTS": endpoint.description]
                ) { ledger in
                    try await ledger.seal("before", 3)
                    #expect(try await state(ledger, endpoint) == "closed")
                    try await countsAgree(ledger, [endpoint])
                    switch fault {
                    case .killed: await cluster.kill(0)
                    case .paused: await cluster.pause(0)
                    case .blackholed: proxy.hang()
                    }
                    try await eventually("the breaker opens") {
                        try await state(ledger, endpoint) != "closed"
                    }
                    try await eventually("HealthCheck says READ_ONLY") {
                        try await ledger.calls.healthCheck().status == "READ_ONLY"
                    }
                    for event in Ledger_CertifiedEvent.samples("during", count: 5) {
                        let begin = ContinuousClock.now
                        let answer = await ledger.calls.submit(event)
                        #expect(answer.isNotSealed, "\(answer)")
                        // The contract of this service is two seconds: nothing waited for half of that.
                        #expect(ContinuousClock.now - begin < .seconds(1))
                    }
                    #expect(try await ledger.calls.event(2).sequenceNumber == 2)
                    let shown = try await ledger.calls.detailedHealth().dependencies.first
                    #expect(shown?.metadata["breaker"] != "closed")
                    try await countsAgree(ledger, [endpoint])

                    switch fault {
                    case .killed: try await cluster.restart(0)
                    case .paused: await cluster.resume(0)
                    case .blackholed: proxy.pass()
                    }
                    let back = ContinuousClock.now
                    try await eventually("the breaker closes") {
                        try await state(ledger, endpoint) == "closed"
                    }
                    let closed = ContinuousClock.now - back
                    _ = try await ledger.calls.settle(.sample("after"))
                    let sealed = ContinuousClock.now - back
                    print("\(fault.rawValue): closed after \(closed), sealed after \(sealed)")
                    #expect(closed < .seconds(5))
                    #expect(sealed < .seconds(8))
                    let opened = "ledger_etcd_breaker_opened_total"
                    #expect(try await ledger.process.metric(opened) >= 1)
                    try await countsAgree(ledger, [endpoint])
                    #expect(try await LedgerCheck.contradictions(ledger.calls) == [])
                }
            }
        }

        @Test("a member that is gone bars nobody, and connections and waits stay true")
        func oneOfThree() async throws {
            try await withCluster { cluster in
                try await withLedger(on: cluster) { ledger in
                    try await ledger.seal("before", 3)
                    let gone = (try await cluster.leader() + 1) % 3
                    await cluster.kill(gone)
                    let endpoint = cluster.endpoints[gone]
                    try await eventually("its breaker opens") {
                        try await state(ledger, endpoint) != "closed"
                    }
                    try await ledger.seal("during", 20)
                    for other in cluster.endpoints where other != endpoint {
                        #expect(try await state(ledger, other) == "closed")
                    }
                    try await countsAgree(ledger, cluster.endpoints)
                    // Seen before: every attempt to reach a member that is gone counted as a wait of somebody.
                    let counter = "ledger_etcd_connection_waits_total"
                    let waits = try await ledger.process.metric(counter)
                    let asked = try await statusRequests(ledger)
                    try await eventually("it was looked for some times more") {
                        try await statusRequests(ledger) >= asked + 6
                    }
                    #expect(try await ledger.process.metric(counter) == waits)
                    try await cluster.restart(gone)
                    try await eventually("its breaker closes") {
                        try await state(ledger, endpoint) == "closed"
                    }
                    try await countsAgree(ledger, cluster.endpoints)
                }
            }
        }

        @Test("without a quorum reads go on, rejections come at once, and whoever answers is asked")
        func lostQuorum() async throws {
            try await withCluster { cluster in
                try await withLedger(on: cluster) { ledger in
                    try await ledger.seal("before", 20)
                    await cluster.kill(1)
                    await cluster.kill(2)
                    try await eventually("HealthCheck says READ_ONLY") {
                        try await ledger.calls.healthCheck().status == "READ_ONLY"
                    }
                    for event in Ledger_CertifiedEvent.samples("during", count: 10) {
                        let begin = ContinuousClock.now
                        let answer = await ledger.calls.submit(event)
                        #expect(answer.isNotSealed, "\(answer)")
                        #expect(ContinuousClock.now - begin < .seconds(1))
                        #expect(try await ledger.calls.events(first: 1, last: 20).count == 20)
                    }
                    try await eventually("the others' breakers are open") {
                        let states = [
                            try await state(ledger, cluster.endpoints[1]),
                            try await state(ledger, cluster.endpoints[2]),
                        ]
                        return !states.contains("closed")
                    }
                    #expect(try await state(ledger, cluster.endpoints[0]) == "closed")
                    try await cluster.restart(1)
                    let back = ContinuousClock.now
                    _ = try await ledger.calls.settle(.sample("after"))
                    print("quorum back: sealed after \(ContinuousClock.now - back)")
                    #expect(ContinuousClock.now - back < .seconds(8))
                }
            }
        }

        @Test("a wrong password that becomes the right one needs no restart")
        func passwordBecomesRight() async throws {
            try await withCluster(size: 1) { cluster in
                let ledger = try await LedgerFixture.start(
                    on: cluster, settings: ["ETCD_PASSWORD": "not-yet-the-password"],
                    waitsUntilReady: false)
                try await ledger.use { ledger in
                    try await eventually("the log speaks of it") {
                        ledger.process.log.contains("the ledger cannot use etcd")
                    }
                    #expect(await ledger.calls.submit(.sample("early")).isNotSealed)
                    try await cluster.changePassword(of: "ledger", to: "not-yet-the-password")
                    try await ledger.process.waitUntilReady()
                    #expect(try await ledger.calls.settle(.sample("one")).event != nil)
                    // And once more while it runs: its token is of the old password.
                    try await cluster.changePassword(of: "ledger", to: "another-password")
                    try await cluster.restart(0)
                    try await eventually("it says so") {
                        try await ledger.calls.detailedHealth().message.contains("ETCD_PASSWORD")
                    }
                    try await cluster.changePassword(of: "ledger", to: "not-yet-the-password")
                    #expect(try await ledger.calls.settle(.sample("two")).event != nil)
                }
            }
        }

        // MARK: Pieces

        /// The state of a member's breaker, as the metrics show it.
        private func state(
            _ ledger: LedgerFixture, _ endpoint: EtcdEndpoint
        ) async throws -> String {
            let metrics = try await ledger.process.metrics()
            let states = ["closed", "open", "half_open"].filter {
                metrics[
                    "ledger_etcd_breaker{endpoint=\"\(endpoint.hostPort)\",state=\"\($0)\"}"] == 1
            }
            guard states.count == 1 else { throw TestFailure("states of a breaker: \(states)") }
            return states[0]
        }

        private func statusRequests(_ ledger: LedgerFixture) async throws -> Double {
            try await ledger.process.metrics()
                .filter { $0.key.hasPrefix("ledger_etcd_requests_total{operation=\"status\"") }
                .values.reduce(0, +)
        }

        /// Metrics and health must come to say what the kernel says: they are not read at one moment.
        private func countsAgree(
            _ ledger: LedgerFixture, _ endpoints: [EtcdEndpoint]
        ) async throws {
            let ports = Set(endpoints.map(\.port))
            var seen = ""
            do {
                try await eventually("connections are counted truly", every: .milliseconds(100)) {
                    let metrics = try await ledger.process.metrics()
                    func connections(_ state: String) -> Int {
                        Int(metrics["ledger_etcd_connections{state=\"\(state)\"}"] ?? -1)
                    }
                    let counted = ["active", "idle", "opening"].map(connections).reduce(0, +)
                    let kernel = try KernelConnections.count(
                        of: ledger.process.processID, to: ports)
                    let health = try await ledger.calls.detailedHealth()
                    let pool = health.dependencies.first?.config.poolInfo
                    let shown = (pool?.activeConnections ?? 0) + (pool?.idleConnections ?? 0)
                    seen = "metrics \(counted), kernel \(kernel), health \(shown)"
                    return counted == kernel && shown <= kernel
                }
            } catch {
                throw TestFailure("\(error): \(seen)")
            }
        }
    }
}
