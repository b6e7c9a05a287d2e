import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// Two services that seal one ledger at the same time.
    @Suite("Two replicas", .serialized)
    struct TwoReplicaTests {
        @Test("under load with the same ids they make one order, each id once, in real-time order")
        func overlappingLoads() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { first in
                try await first.another().use { second in
                    let log = SubmissionLog()
                    let calls = [first.calls, second.calls]
                    let loads = [
                        SubmissionLoad([first.calls], log: log, callers: 4, prefix: "both"),
                        SubmissionLoad([second.calls], log: log, callers: 4, prefix: "both"),
                        SubmissionLoad(calls, log: log, callers: 4, prefix: "own"),
                    ]
                    try await eventually("300 events are sealed") { log.acknowledgedCount >= 300 }
                    try await alternate(calls, log)
                    for load in loads { await load.stop() }
                    try await log.settleOpen(with: first.calls)
                    #expect(log.open.isEmpty)
                    #expect(log.count { $0.isDuplicate } > 0)
                    #expect(try await LedgerCheck.contradictions(first.calls, log) == [])
                    #expect(try await LedgerCheck.contradictions(second.calls, log) == [])
                }
            }
        }

        /// One event after another, to one replica and then the other, each seen by both at once.
        private func alternate(_ calls: [LedgerCalls], _ log: SubmissionLog) async throws {
            var last: UInt64 = 0
            for number in 1...15 {
                let event = Ledger_CertifiedEvent.sample("alternate-\(number)")
                let (one, other) = (calls[number % 2], calls[(number + 1) % 2])
                let answer = try await log.record(event) { try await one.settle($0) }
                guard let sealed = answer.event else { throw TestFailure("\(answer)") }
                #expect(sealed.sequenceNumber > last)
                last = sealed.sequenceNumber
                var seen = try await other.event(last)
                #expect(seen.eventID == event.eventID)
                seen = try await other.event(id: event.eventID)
                #expect(seen.sequenceNumber == last)
                let again = await other.submit(event)
                #expect(again.isDuplicate, "\(again)")
            }
        }

        @Test("a follower of one replica sees what the other seals, in order and without a gap")
        func following() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { first in
                try await first.another().use { second in
                    async let seen = second.calls.follow(count: 120)
                    let log = SubmissionLog()
                    let load = SubmissionLoad(
                        [first.calls], log: log, callers: 4, prefix: "followed")
                    let events = try await seen
                    await load.stop()
                    #expect(events.map(\.sequenceNumber) == Array(1...120))
                    #expect(LedgerCheck(events).chainContradictions == [])
                }
            }
        }

        @Test("a replica that was stopped for a while catches up and seals on the present head")
        func pausedReplica() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { first in
                try await first.another().use { second in
                    let log = SubmissionLog()
                    let load = SubmissionLoad(
                        [second.calls], log: log, callers: 4, prefix: "paused")
                    try await eventually("the load runs") { log.acknowledgedCount >= 20 }
                    second.process.pause()
                    for event in Ledger_CertifiedEvent.samples("meanwhile", count: 40) {
                        try await log.record(event) { try await first.calls.settle($0) }
                    }
                    second.process.resume()
                    let before = log.acknowledgedCount
                    try await eventually("it seals again") { log.acknowledgedCount > before + 20 }
                    await load.stop()
                    try await log.settleOpen(with: second.calls)
                    #expect(try await LedgerCheck.contradictions(first.calls, log) == [])
                }
            }
        }
    }
}
