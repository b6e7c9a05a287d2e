import EtcdGateway
import Foundation
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// Several services on one ledger, of which one seals.
    @Suite("Replicas", .serialized)
    struct ReplicaTests {
        /// Starts a replica and further ones on its ledger.
        private func withReplicas(
            _ count: Int, settings: [String: String] = [:],
            _ body: ([LedgerFixture]) async throws -> Void
        ) async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: settings) { first in
                var replicas = [first]
                do {
                    for _ in 1..<count { replicas.append(try await first.another()) }
                    try await body(replicas)
                } catch {
                    let logs = replicas.map(\.process.lastLines).joined(separator: "\n---\n")
                    for replica in replicas.dropFirst() { await replica.end() }
                    throw TestFailure("\(error)\n\(logs)")
                }
                for replica in replicas.dropFirst() { await replica.end() }
            }
        }

        /// Waits until exactly one of them holds the hint and the others forward to it.
        private func sealer(of replicas: [LedgerFixture]) async throws -> LedgerFixture {
            var found: LedgerFixture?
            try await eventually("one replica seals and the others follow it") {
                var sealing: [LedgerFixture] = []
                var peers = 0.0
                for replica in replicas {
                    if try await replica.process.metric("ledger_is_sealer") == 1 {
                        sealing.append(replica)
                        peers = try await replica.process.metric("ledger_forwarding_peers")
                    }
                }
                found = sealing.first
                return sealing.count == 1 && peers == Double(replicas.count - 1)
            }
            guard let found else { throw TestFailure("no sealer") }
            return found
        }

        @Test("one replica holds the hint, bound to a lease, and the others forward to it")
        func oneSeals() async throws {
            try await withReplicas(3) { replicas in
                let sealer = try await sealer(of: replicas)
                let port = try await sealer.process.internalPort()
                try await withKeys(of: sealer) { stored in
                    let range = try await stored.client.range(
                        EtcdRangeRequest(key: stored.keys.sealer))
                    let pair = try #require(range.kvs.first)
                    let hint = try SealerHint(decodingJSON: pair.value)
                    #expect(hint.address == "127.0.0.1:\(port)")
                    #expect(pair.lease != 0)
                }
                let log = SubmissionLog()
                let load = SubmissionLoad(
                    replicas.map(\.calls), log: log, callers: 6, prefix: "three")
                try await eventually("300 events are sealed") { log.acknowledgedCount >= 300 }
                await load.stop()
                try await log.settleOpen(with: sealer.calls)
                var forwarded = 0.0
                for replica in replicas {
                    forwarded += try await replica.process.metric("ledger_forwarded_events_total")
                }
                #expect(forwarded > 100)
                #expect(try await LedgerCheck.contradictions(sealer.calls, log) == [])
            }
        }

        @Test(
            "protocol.md 18: a sealer that is killed, or paused, is replaced; waking does no harm")
        func killedAndPaused() async throws {
            try await withReplicas(3) { replicas in
                let paused = try await sealer(of: replicas)
                let others = replicas.filter { $0.process.processID != paused.process.processID }
                let log = SubmissionLog()
                let load = SubmissionLoad(
                    others.map(\.calls), log: log, callers: 4, prefix: "paused")
                try await eventually("events are sealed") { log.acknowledgedCount >= 20 }
                paused.process.pause()
                try await eventually("another replica seals") {
                    for other in others
                    where try await other.process.metric("ledger_is_sealer") == 1 { return true }
                    return false
                }
                let before = log.acknowledgedCount
                try await eventually("events are sealed without it") {
                    log.acknowledgedCount >= before + 50
                }
                paused.process.resume()
                let after = log.acknowledgedCount
                try await eventually("events are sealed with it") {
                    log.acknowledgedCount >= after + 50
                }
                let killed = try await sealer(of: replicas)
                await killed.process.kill()
                let left = others.filter { $0.process.processID != killed.process.processID }
                let survivors =
                    left
                    + (killed.process.processID == paused.process.processID
                        ? [] : [paused])
                // Callers of the killed one see its connections end: what they hold is unknown.
                await load.stop()
                let answer = try await survivors[0].calls.settle(.sample("after the kill"))
                #expect(answer.isSealed, "\(answer)")
                try await log.settleOpen(with: survivors[0].calls)
                #expect(try await LedgerCheck.contradictions(survivors[0].calls, log) == [])
            }
        }

        @Test("a sealer that stops hands over: who asks another replica is not turned away")
        func handsOver() async throws {
            try await withReplicas(3) { replicas in
                let first = try await sealer(of: replicas)
                let others = replicas.filter { $0.process.processID != first.process.processID }
                let log = SubmissionLog()
                let load = SubmissionLoad(
                    others.map(\.calls), log: log, callers: 4, prefix: "handover")
                try await eventually("events are sealed") { log.acknowledgedCount >= 50 }
                first.process.terminate()
                #expect(try await first.process.waitForEnd() == 0)
                let before = log.acknowledgedCount
                try await eventually("events are sealed without it") {
                    log.acknowledgedCount >= before + 50
                }
                await load.stop()
                #expect(
                    log.count { !$0.isProofOfSealing } == 0,
                    "\(log.answers.filter { !$0.isSealed })")
                #expect(first.process.log.contains("the hint is given back"))
                #expect(try await LedgerCheck.contradictions(others[0].calls, log) == [])
            }
        }

        @Test("protocol.md 20: a hint that leads to a replica of another ledger is not followed")
        func otherLedger() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { other in
                let port = try await other.process.internalPort()
                try await withLedger(on: cluster, settings: ["LEDGER_FORWARDING": "off"]) { probe in
                    try await withKeys(of: probe) { stored in
                        // As if an address had been given to another ledger's replica.
                        let hint = SealerHint(address: "127.0.0.1:\(port)", id: "gone")
                        _ = try await stored.client.transaction(
                            .init(success: [
                                .put(key: stored.keys.sealer, value: hint.encodedJSON())
                            ]))
                        try await probe.another(["LEDGER_FORWARDING": "on"]).use { replica in
                            let answer = try await replica.calls.settle(.sample("mine"))
                            #expect(answer.isSealed, "\(answer)")
                            try await eventually("the hint is taken from it") {
                                try await replica.process.metric("ledger_is_sealer") == 1
                            }
                            #expect(try await other.calls.healthCheck().lastSequenceNumber == 0)
                            #expect(replica.process.log.contains("in doubt"))
                        }
                    }
                }
            }
        }

        @Test("replicas with another token do not forward to one another, and both still seal")
        func wrongToken() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let token = ["LEDGER_INTERNAL_TOKEN": "the-token-of-the-first"]
            try await withLedger(on: cluster, settings: token) { first in
                try await first.another(["LEDGER_INTERNAL_TOKEN": "the-token-of-another"]).use {
                    second in
                    let log = SubmissionLog()
                    let load = SubmissionLoad(
                        [first.calls, second.calls], log: log, callers: 4, prefix: "token")
                    try await eventually("events are sealed") { log.acknowledgedCount >= 100 }
                    await load.stop()
                    try await log.settleOpen(with: first.calls)
                    #expect(try await first.process.metric("ledger_forwards_received_total") == 0)
                    #expect(try await second.process.metric("ledger_forwards_received_total") == 0)
                    let logs = first.process.log + second.process.log
                    #expect(logs.contains("a call of the internal port was refused"))
                    #expect(!logs.contains("the-token-of"))
                    #expect(try await LedgerCheck.contradictions(first.calls, log) == [])
                }
                // With the right one it is let in.
                try await first.another().use { second in
                    _ = try await sealer(of: [first, second])
                }
            }
        }

        @Test("with certificates replicas admit one another, and nobody else")
        func certificates() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            func file(_ name: String) -> String {
                cluster.certificates.appending(path: name).path
            }
            let replicas = [
                "LEDGER_INTERNAL_TLS_CERT": file("ledger-replica.pem"),
                "LEDGER_INTERNAL_TLS_KEY": file("ledger-replica-key.pem"),
                "LEDGER_INTERNAL_TLS_CA": file("replica-ca.pem"),
            ]
            try await withLedger(on: cluster, settings: replicas) { first in
                try await first.another().use { second in
                    _ = try await sealer(of: [first, second])
                    for number in 1...4 {
                        let calls = number % 2 == 0 ? first.calls : second.calls
                        let answer = await calls.submit(.sample("tls-\(number)"))
                        #expect(answer.isSealed, "\(answer)")
                    }
                    let forwarded =
                        try await first.process.metric("ledger_forwarded_events_total")
                        + second.process.metric("ledger_forwarded_events_total")
                    #expect(forwarded == 2)
                }
                // Signed by the same CA, but with another name.
                try await first.another([
                    "LEDGER_INTERNAL_TLS_NAME": "somebody-else.immutable-ledger.svc"
                ]).use { stranger in
                    let answer = try await stranger.calls.settle(.sample("stranger"))
                    #expect(answer.isSealed, "\(answer)")
                    #expect(try await first.process.metric("ledger_forwarding_peers") == 0)
                }
            }
        }
    }
}
