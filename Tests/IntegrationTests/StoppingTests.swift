import GRPCCore
import LedgerAPI
import Synchronization
import TestSupport
import Testing

extension Integration {
    /// SIGTERM, as Kubernetes sends it in a rolling update.
    @Suite("Stopping", .serialized)
    struct StoppingTests {
        @Test(
            "under load all that was accepted is answered, readiness goes first, exit code 0"
        )
        func stopsUnderLoad() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let ledger = try await LedgerFixture.start(on: cluster)
            let log = SubmissionLog()
            try await ledger.use { ledger in
                let watcher = try await LedgerCalls(ledger.process)
                // A stream has a connection of its own: grpc-swift may open a call after the server has said
                // that it goes away, which ends the whole connection.
                let streaming = try await LedgerCalls(ledger.process)
                let load = SubmissionLoad([ledger.calls], log: log, callers: 8, prefix: "unary")
                async let streamed: Void = streaming.submitEndlessly("streamed", log)
                async let followed = watcher.follow(count: .max)
                async let watched = watcher.watch("")
                try await eventually("the load runs") { log.acknowledgedCount >= 100 }

                let begin = ContinuousClock.now
                ledger.process.terminate()
                let status = try await ledger.process.waitForEnd()
                let took = begin.duration(to: .now)
                #expect(status == 0, "\(ledger.process.log.suffix(2_000))")
                #expect(took < .seconds(15), "it took \(took)")
                await load.stop()
                await streamed
                let statuses = await watched
                #expect(statuses.first == .serving)
                #expect(
                    statuses.last == .notServing, "readiness ends before the service: \(statuses)")
                let events = try await followed
                #expect(!events.isEmpty)
                #expect(LedgerCheck(events).chainContradictions == [])
                await watcher.close()
                await streaming.close()
            }
            try await ledger.another().use { next in
                let sealed = Set(try await next.calls.events().map(\.eventID))
                let unanswered = log.all.filter {
                    $0.acknowledgedAt == nil && sealed.contains($0.event.eventID)
                }
                #expect(unanswered.isEmpty, "sealed and not answered: \(unanswered.prefix(3))")
                #expect(try await LedgerCheck.contradictions(next.calls, log) == [])
            }
        }

        @Test("an idle service ends at once, and so does one that never reached etcd")
        func stopsIdle() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let idle = try await LedgerFixture.start(on: cluster)
            let port = try EtcdClusterPorts.free(1)[0]
            let lonely = try await LedgerFixture.start(
                on: cluster, settings: ["ETCD_ENDPOINTS": "https://127.0.0.1:\(port)"],
                waitsUntilReady: false)
            for ledger in [idle, lonely] {
                try await ledger.use { ledger in
                    let begin = ContinuousClock.now
                    ledger.process.terminate()
                    let status = try await ledger.process.waitForEnd()
                    let took = begin.duration(to: .now)
                    #expect(status == 0, "\(ledger.process.log.suffix(2_000))")
                    #expect(took < .seconds(8), "it took \(took)")
                }
            }
        }

        @Test("a caller that reads nothing cannot keep a stopping service for ever")
        func stopsBesideUnreadStream() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let ledger = try await LedgerFixture.start(on: cluster)
            try await ledger.use { ledger in
                let greedy = try await LedgerCalls(ledger.process, windowBytes: 65_535)
                let stream = Task {
                    try await greedy.ledger.submitEvents(
                        requestProducer: { writer in
                            for number in 1...1_000 {
                                try await writer.write(
                                    .sample("greedy-\(number)", payloadBytes: 8_000))
                            }
                        },
                        onResponse: { _ in try await Task.sleep(for: .seconds(120)) })
                }
                try await eventually("answers wait to be read") {
                    try await ledger.calls.healthCheck().lastSequenceNumber >= 50
                }
                let begin = ContinuousClock.now
                ledger.process.terminate()
                try await eventually("readiness ends at once", within: .seconds(5)) {
                    let admin = try await ledger.process.adminPort()
                    return try await LoopbackHTTP.status(port: admin, path: "/readyz") != 200
                }
                let status = try await ledger.process.waitForEnd()
                let took = begin.duration(to: .now)
                #expect(status == 0, "\(ledger.process.log.suffix(2_000))")
                #expect(took < .seconds(29), "it took \(took)")
                stream.cancel()
                await greedy.close()
            }
        }

        @Test("without a quorum a stopping service still answers what it accepted, and ends")
        func stopsWithoutQuorum() async throws {
            try await withCluster { cluster in
                let ledger = try await LedgerFixture.start(on: cluster)
                try await ledger.use { ledger in
                    let log = SubmissionLog()
                    let load = SubmissionLoad([ledger.calls], log: log, callers: 4, prefix: "load")
                    try await eventually("the load runs") { log.acknowledgedCount >= 20 }
                    await cluster.kill(0)
                    await cluster.kill(1)
                    let begin = ContinuousClock.now
                    ledger.process.terminate()
                    let status = try await ledger.process.waitForEnd()
                    let took = begin.duration(to: .now)
                    await load.stop()
                    #expect(status == 0, "\(ledger.process.log.suffix(2_000))")
                    #expect(took < .seconds(20), "it took \(took)")
                }
            }
        }
    }
}
