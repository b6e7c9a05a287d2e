import EtcdGateway
import GRPCCore
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// What callers are told when the answer to a transaction is lost although it was applied.
    @Suite("Lost answers of etcd", .serialized)
    struct LostAnswerTests {
        private struct Setup {
            let ledger: LedgerFixture
            let proxies: [FaultProxy]

            /// The proxy that the service talks through now.
            func busiest() async throws -> FaultProxy {
                let before = proxies.map(\.requestBytes)
                for number in 1...5 {
                    _ = await ledger.calls.submit(
                        .sample("probe-\(number)-\(before.reduce(0, +))"))
                }
                let sent = zip(proxies, before).map { ($0, $0.requestBytes - $1) }
                guard let found = sent.max(by: { $0.1 < $1.1 }) else {
                    throw TestFailure("no proxy")
                }
                return found.0
            }
        }

        private func withProxies(
            _ settings: [String: String], _ body: (Setup) async throws -> Void
        ) async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let proxies = try cluster.endpoints.map { try FaultProxy(to: $0) }
            defer { for proxy in proxies { proxy.stop() } }
            var settings = settings
            settings["ETCD_ENDPOINTS"] = proxies.map(\.endpoint.description).joined(separator: ",")
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await body(Setup(ledger: ledger, proxies: proxies))
            }
        }

        private func submitAtOnce(
            _ events: [Ledger_CertifiedEvent], _ log: SubmissionLog, _ calls: LedgerCalls
        ) async -> [CallAnswer] {
            await withTaskGroup(of: CallAnswer.self) { group in
                for event in events {
                    group.addTask { await log.record(event) { await calls.submit($0) } }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
        }

        @Test(
            "an answer lost by one member is found out through another: sealed, and once"
        )
        func lostByOneMember() async throws {
            let settings = [
                "LEDGER_COMMIT_DEADLINE_MS": "700", "LEDGER_RESOLVE_DEADLINE_MS": "20000",
            ]
            try await withProxies(settings) { setup in
                let calls = setup.ledger.calls
                let log = SubmissionLog()
                for round in 1...3 {
                    let proxy = try await setup.busiest()
                    let lost = proxy.lostBytes
                    proxy.loseAnswers()
                    let events = Ledger_CertifiedEvent.samples("lost-\(round)", count: 4)
                    let answers = await submitAtOnce(events, log, calls)
                    #expect(proxy.lostBytes > lost)
                    // The first batch was sent and applied; what waited behind it may run out of
                    // time, with certainty.
                    #expect(answers.contains { $0.isSealed }, "\(answers)")
                    #expect(answers.allSatisfy { $0.isSealed || $0.isNotSealed }, "\(answers)")
                    proxy.pass()
                    try await eventually("it seals again") {
                        try await calls.healthCheck().healthy
                    }
                }
                #expect(try await LedgerCheck.contradictions(calls, log) == [])
            }
        }

        /// The second transaction once went to the hung member as well, and was resolved through it.
        @Test(
            "protocol.md 15: while a member hangs, nothing more is sent to it or resolved through it"
        )
        func hungMember() async throws {
            let settings = [
                "LEDGER_COMMIT_DEADLINE_MS": "400", "LEDGER_RESOLVE_DEADLINE_MS": "20000",
                // The transfer itself would be given up long after this test.
                "ETCD_REQUEST_TIMEOUT_MS": "30000",
            ]
            try await withProxies(settings) { setup in
                let calls = setup.ledger.calls
                let log = SubmissionLog()
                let hung = try await setup.busiest()
                let others = setup.proxies.filter { $0 !== hung }
                hung.hang()
                let events = Ledger_CertifiedEvent.samples(
                    "hung", count: 6, payloadBytes: 20_000)
                // The first one is sent to it, and sealed through another.
                let first = await log.record(events[0]) { await calls.submit($0) }
                #expect(first.isSealed, "\(first)")
                let before = hung.requestBytes
                let elsewhere = others.map(\.requestBytes).reduce(0, +)
                for event in events.dropFirst() {
                    let answer = await log.record(event) { await calls.submit($0) }
                    #expect(answer.isSealed, "\(answer)")
                }
                // Health checks alone still ask it: a transaction has more than 20,000 bytes.
                #expect(hung.requestBytes - before < 10_000)
                #expect(others.map(\.requestBytes).reduce(0, +) - elsewhere > 5 * 20_000)
                let lines = setup.ledger.process.log.split(separator: "\n")
                #expect(!lines.contains { $0.contains("not answered as applied") })

                hung.pass()
                try await eventually("the open transmission has ended") {
                    setup.ledger.process.log.contains("not answered as applied")
                }
                #expect(await calls.submit(.sample("after")).isSealed)
                #expect(try await LedgerCheck.contradictions(calls, log) == [])
            }
        }

        @Test("an answer lost by every member leaves the event unknown, and it is found later")
        func lostByAllMembers() async throws {
            // The replica seals by itself: one that lost its hint would not try, and say so.
            let settings = [
                "LEDGER_COMMIT_DEADLINE_MS": "700", "LEDGER_RESOLVE_DEADLINE_MS": "3000",
                "LEDGER_FORWARDING": "off",
            ]
            try await withProxies(settings) { setup in
                let calls = setup.ledger.calls
                let log = SubmissionLog()
                #expect(await calls.submit(.sample("first")).isSealed)
                for proxy in setup.proxies { proxy.loseAnswers() }
                let events = Ledger_CertifiedEvent.samples("unknown", count: 4)
                let answers = await submitAtOnce(events, log, calls)
                #expect(answers.contains { $0.isUnknown }, "\(answers)")
                #expect(answers.allSatisfy { $0.isUnknown || $0.isNotSealed }, "\(answers)")
                // The same id again, while its first transaction is in doubt: nothing certain.
                let unknown = log.open
                let first = try #require(unknown.first)
                let again = await log.record(first) { await calls.submit($0) }
                #expect(again.isUnknown, "\(again)")

                try await expectAnswerBeforeDeadline(first, calls)

                for proxy in setup.proxies { proxy.pass() }
                for event in unknown {
                    try await eventually("\(event.eventID) is found") {
                        (try? await calls.event(id: event.eventID)) != nil
                    }
                }
                try await log.settleOpen(with: calls)
                #expect(log.open.isEmpty)
                #expect(
                    log.all.filter { $0.answers.contains { $0.isUnknown } }
                        .allSatisfy { $0.answers.contains { $0.isDuplicate } })
                #expect(try await LedgerCheck.contradictions(calls, log) == [])
            }
        }

        /// The caller's deadline counts, also where the service's own is later.
        private func expectAnswerBeforeDeadline(
            _ event: Ledger_CertifiedEvent, _ calls: LedgerCalls
        ) async throws {
            let begin = ContinuousClock.now
            // As a header only: the library's own timer must not be the first to end the call.
            let failure = await #expect(throws: RPCError.self) {
                try await calls.ledger.submitEvent(event, metadata: ["grpc-timeout": "300m"])
            }
            let took = begin.duration(to: .now)
            #expect(failure.map { CallFailure($0).reason } == "OUTCOME_UNKNOWN")
            #expect(took < .milliseconds(2_500), "it took \(took)")
        }

        @Test("what never reached a member is certainly not sealed, and sealing goes on by itself")
        func refusedConnections() async throws {
            let settings = [
                "LEDGER_COMMIT_DEADLINE_MS": "700", "LEDGER_RESOLVE_DEADLINE_MS": "1500",
            ]
            try await withProxies(settings) { setup in
                let calls = setup.ledger.calls
                let log = SubmissionLog()
                #expect(await calls.submit(.sample("first")).isSealed)
                for proxy in setup.proxies {
                    proxy.refuse()
                    proxy.cut()
                }
                var answers: [CallAnswer] = []
                for event in Ledger_CertifiedEvent.samples("refused", count: 4) {
                    answers.append(await log.record(event) { await calls.submit($0) })
                }
                // The first may have met a connection that broke under it.
                #expect(answers.dropFirst().allSatisfy { $0.isNotSealed }, "\(answers)")
                for proxy in setup.proxies { proxy.pass() }
                try await eventually("it seals again") {
                    try await calls.healthCheck().healthy
                }
                try await log.settleOpen(with: calls)
                #expect(await calls.submit(.sample("last")).isSealed)
                #expect(try await LedgerCheck.contradictions(calls, log) == [])
            }
        }

        @Test("slow members cost time and nothing else")
        func delayedAnswers() async throws {
            try await withProxies([:]) { setup in
                let calls = setup.ledger.calls
                let log = SubmissionLog()
                for proxy in setup.proxies { proxy.delayAnswers(by: .milliseconds(60)) }
                let load = SubmissionLoad([calls], log: log, callers: 6, prefix: "slow")
                try await eventually("events are sealed") { log.acknowledgedCount >= 40 }
                await load.stop()
                #expect(try await LedgerCheck.contradictions(calls, log) == [])
            }
        }
    }
}
