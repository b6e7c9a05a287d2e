import GRPCCore
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// What callers see while members of etcd die and come back.
    @Suite("Failing members of etcd", .serialized)
    struct MemberFailureTests {
        @Test("after the leader was killed under load sealing goes on, and nothing was lost")
        func killedLeader() async throws {
            try await withCluster { cluster in
                try await withLedger(on: cluster) { ledger in
                    let log = SubmissionLog()
                    let load = SubmissionLoad(
                        [ledger.calls], log: log, callers: 8, prefix: "leader")
                    try await eventually("50 events are sealed") { log.acknowledgedCount >= 50 }
                    try await cluster.kill(cluster.leader())
                    let before = log.acknowledgedCount
                    try await eventually("sealing goes on") {
                        log.acknowledgedCount >= before + 50
                    }
                    await load.stop()
                    try await log.settleOpen(with: ledger.calls)
                    #expect(log.open.isEmpty)
                    #expect(try await LedgerCheck.contradictions(ledger.calls, log) == [])
                }
            }
        }

        @Test("a leader that stands still costs time, and nothing is lost or sealed twice")
        func pausedLeader() async throws {
            try await withCluster { cluster in
                try await withLedger(on: cluster) { ledger in
                    let log = SubmissionLog()
                    let load = SubmissionLoad(
                        [ledger.calls], log: log, callers: 8, prefix: "paused")
                    try await eventually("50 events are sealed") { log.acknowledgedCount >= 50 }
                    let leader = try await cluster.leader()
                    await cluster.pause(leader)
                    let before = log.acknowledgedCount
                    try await eventually("sealing goes on") {
                        log.acknowledgedCount >= before + 50
                    }
                    // What it holds back is sent and answered now, long after others went on.
                    await cluster.resume(leader)
                    let after = log.acknowledgedCount
                    try await eventually("sealing goes on") {
                        log.acknowledgedCount >= after + 50
                    }
                    await load.stop()
                    try await log.settleOpen(with: ledger.calls)
                    #expect(try await LedgerCheck.contradictions(ledger.calls, log) == [])
                }
            }
        }

        @Test(
            "without a quorum nothing is sealed and everything is readable, and with it all is well"
        )
        func lostQuorum() async throws {
            try await withCluster { cluster in
                try await withLedger(on: cluster) { ledger in
                    let log = SubmissionLog()
                    for event in Ledger_CertifiedEvent.samples("before", count: 20) {
                        let answer = await log.record(event) { await ledger.calls.submit($0) }
                        #expect(answer.isSealed)
                    }
                    let load = SubmissionLoad(
                        [ledger.calls], log: log, callers: 6, prefix: "during")
                    try await eventually("the load runs") { log.acknowledgedCount >= 60 }
                    await cluster.kill(0)
                    await cluster.kill(1)
                    try await expectReadOnly(ledger, log)
                    await load.stop()
                    let open = log.open
                    try await cluster.restart(0)
                    try await expectRecovery(ledger, log, open: open)
                }
            }
        }

        private func expectReadOnly(_ ledger: LedgerFixture, _ log: SubmissionLog) async throws {
            let calls = ledger.calls
            let admin = try await ledger.process.adminPort()
            try await eventually("HealthCheck says READ_ONLY") {
                let health = try await calls.healthCheck()
                return health.status == "READ_ONLY" && !health.healthy
            }
            // A seal that was under way when the members died may be answered late; from here on
            // nothing can be sealed.
            let sealed = log.count(where: \.isSealed)
            let failures = log.answers.count - sealed
            try await eventually("more submissions fail") {
                log.answers.count - log.count(where: \.isSealed) >= failures + 12
            }
            #expect(log.count(where: \.isSealed) == sealed)
            #expect(log.answers.allSatisfy { $0.isSealed || $0.isNotSealed || $0.isUnknown })

            #expect(try await calls.event(7).eventID == "before-7")
            #expect(try await calls.event(id: "before-20").sequenceNumber == 20)
            let read = try await calls.events(first: 1, last: 40)
            #expect(read.count == 40)
            #expect(LedgerCheck(read).chainContradictions == [])
            await #expect("a number beyond what is known needs a quorum") {
                try await calls.event(1_000_000)
            } throws: {
                ($0 as? CallFailure)?.code == .unavailable && ($0 as? CallFailure)?.reason != nil
            }
            #expect(try await LoopbackHTTP.status(port: admin, path: "/readyz") == 200)
            #expect(try await LoopbackHTTP.status(port: admin, path: "/livez") == 200)
            #expect(try await calls.servingStatus("") == .serving)
            #expect(try await calls.servingStatus("ledger.ImmutableLedger") == .notServing)
        }

        private func expectRecovery(
            _ ledger: LedgerFixture, _ log: SubmissionLog, open: [Ledger_CertifiedEvent]
        ) async throws {
            try await eventually("it seals again by itself") {
                try await ledger.calls.healthCheck().healthy
            }
            try await log.settleOpen(with: ledger.calls)
            #expect(log.open.isEmpty)
            // Again: each of them is found, once.
            for event in open {
                let again = await log.record(event) { await ledger.calls.submit($0) }
                #expect(again.isDuplicate, "\(event.eventID): \(again)")
            }
            #expect(try await ledger.calls.servingStatus("ledger.ImmutableLedger") == .serving)
            #expect(try await LedgerCheck.contradictions(ledger.calls, log) == [])
        }

        @Test("a service that starts before etcd says so, and becomes ready by itself")
        func startsWithoutEtcd() async throws {
            try await withCluster(size: 1) { cluster in
                await cluster.kill(0)
                let ledger = try await LedgerFixture.start(on: cluster, waitsUntilReady: false)
                try await ledger.use { ledger in
                    let admin = try await ledger.process.adminPort()
                    let calls = ledger.calls
                    #expect(try await LoopbackHTTP.status(port: admin, path: "/livez") == 200)
                    #expect(try await LoopbackHTTP.status(port: admin, path: "/readyz") == 503)
                    let health = try await calls.healthCheck()
                    #expect(health.status == "STARTING" && !health.healthy)
                    #expect(try await calls.servingStatus("") == .notServing)
                    let early = await calls.submit(.sample("early"))
                    guard case .notSealed(.unavailable, "NOT_SEALED") = early else {
                        throw TestFailure("submitted while starting: \(early)")
                    }
                    await #expect("reads are unavailable, with a reason") {
                        try await calls.event(1)
                    } throws: {
                        ($0 as? CallFailure)?.code == .unavailable
                            && ($0 as? CallFailure)?.reason != nil
                    }
                    try await cluster.restart(0)
                    try await ledger.process.waitUntilReady()
                    #expect(try await calls.healthCheck().status == "SERVING")
                    #expect(await calls.submit(.sample("early")).isSealed)
                }
            }
        }
    }
}
