import Foundation
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// What outlives a service that is killed while it seals.
    @Suite("A killed service", .serialized)
    struct KilledServiceTests {
        @Test("killed at random moments under load, it has lost nothing and sealed nothing twice")
        func killedWhileSealing() async throws {
            var random = ReplayableRandom()
            print(random.note)
            let cluster = try await EtcdCluster.sharedForLedgers()
            var ledger = try await LedgerFixture.start(on: cluster)
            let log = SubmissionLog()
            for round in 1...4 {
                let load = SubmissionLoad(
                    [ledger.calls], log: log, callers: 12, prefix: "round-\(round)",
                    payloadBytes: 256)
                let moment = Duration.milliseconds(Int.random(in: 100...1_500, using: &random))
                try await eventually("the load runs") { log.acknowledgedCount >= round * 20 }
                // The moment is the test's subject, not a wait for something.
                try await Task.sleep(for: moment)
                await ledger.process.kill()
                await load.stop()
                await ledger.calls.close()
                let next = try await ledger.another()
                ledger = next
                try await log.settleOpen(with: ledger.calls)
            }
            try await ledger.use { ledger in
                #expect(log.open.isEmpty)
                let found = try await LedgerCheck.contradictions(ledger.calls, log)
                #expect(found == [])
                // Which answer it was does not matter: sealed once, each is a duplicate now.
                for record in log.all.filter({ $0.answers.contains(where: \.isUnknown) }) {
                    let again = await ledger.calls.submit(record.event)
                    #expect(again.isDuplicate, "\(record.event.eventID): \(again)")
                }
            }
        }

        @Test(
            "a ledger over several segments is whole after a restart, early and late ids are found")
        func restartOnLongLedger() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            // A block of 1,000 never ends where a segment of 4,096 or a tile of 256 does.
            let first = try await LedgerFixture.start(
                on: cluster,
                settings: [
                    "LEDGER_MAX_BATCH_EVENTS": "1000", "LEDGER_COMMIT_DEADLINE_MS": "20000",
                    "LEDGER_RESOLVE_DEADLINE_MS": "30000",
                ])
            let events = Ledger_CertifiedEvent.samples("long", count: 9_000, payloadBytes: 32)
            try await first.use { ledger in
                let answers = try await ledger.calls.submitStream(events)
                #expect(answers.count == events.count)
                #expect(answers.allSatisfy { $0.isSealed })
                #expect(answers.compactMap { $0.event?.sequenceNumber } == Array(1...9_000))
            }
            try await first.another().use { ledger in
                for number in [1, 2, 4_095, 4_096, 4_097, 8_192, 8_193, 8_999, 9_000] {
                    let again = await ledger.calls.submit(events[number - 1])
                    #expect(again.isDuplicate, "\(number): \(again)")
                    #expect(again.event?.sequenceNumber == UInt64(number))
                    let found = try await ledger.calls.event(id: "long-\(number)")
                    #expect(found.sequenceNumber == UInt64(number))
                    #expect(try await ledger.calls.event(UInt64(number)) == found)
                }
                #expect(await ledger.calls.submit(.sample("after")).event?.sequenceNumber == 9_001)
                #expect(try await LedgerCheck.contradictions(ledger.calls) == [])
                let part = try await ledger.calls.verify(first: 4_000, last: 8_300)
                #expect(part.valid && part.eventsVerified == 4_301)
                let listed = try await ledger.calls.events(first: 4_090, last: 4_100)
                #expect(listed.map(\.sequenceNumber) == Array(4_090...4_100))
                #expect(try await straddlingBlocks(ledger) >= 2)
            }
        }

        /// How many blocks begin in one segment and end in the next.
        private func straddlingBlocks(_ ledger: LedgerFixture) async throws -> Int {
            try await withKeys(of: ledger) { keys in
                let starts = try await keys.blocks().map(\.number)
                return [4_096, 8_192].count { boundary in
                    // The event after the boundary is not the first of its block.
                    !starts.contains(UInt64(boundary) + 1)
                }
            }
        }
    }
}
