import GRPCCore
import LedgerAPI
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

extension Integration {
    /// Listings, verifications and followers, beside sealing.
    @Suite("Reading much", .serialized)
    struct BulkReadTests {
        /// Seals large events, each alone or few together.
        private func fill(_ ledger: LedgerFixture, _ prefix: String, count: Int) async throws {
            let answers = try await ledger.calls.submitStream(
                Ledger_CertifiedEvent.samples(prefix, count: count, payloadBytes: 49_000))
            #expect(answers.allSatisfy { $0.isSealed })
        }

        @Test("large events are loaded, listed and verified in few requests, none of which fails")
        func largeEvents() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                for round in 1...6 { try await fill(ledger, "large-\(round)", count: 50) }
                let second = try await ledger.another(Self.withoutAudit)
                try await second.use { second in
                    let loading = try await ranges(second)
                    #expect(try await second.calls.events().count == 300)
                    let listing = try await ranges(second)
                    #expect(try await second.calls.verify().valid)
                    let verifying = try await ranges(second)
                    // 15 MB, at about 1 MiB a page; pages of unknown sizes begin small.
                    for requests in [loading, listing - loading, verifying - listing] {
                        #expect(requests <= 30, "\(loading) \(listing) \(verifying)")
                    }
                    #expect(try await failures(second) == 0)
                }
            }
        }

        /// Its reads are not those that are counted.
        private static let withoutAudit = ["LEDGER_AUDIT_EVENTS_PER_SECOND": "0"]

        private func ranges(_ ledger: LedgerFixture) async throws -> Double {
            try await ledger.process.metrics()
                .filter { $0.key.hasPrefix("ledger_etcd_requests_total{operation=\"range\"") }
                .values.reduce(0, +)
        }

        private func failures(_ ledger: LedgerFixture) async throws -> Double {
            try await ledger.process.metrics()
                .filter {
                    $0.key.hasPrefix("ledger_etcd_requests_total{operation=\"range\"")
                        && !$0.key.contains("result=\"ok\"")
                }
                .values.reduce(0, +)
        }

        @Test("many listings at once read two pages at a time, and sealing goes on beside them")
        func manyListings() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await fill(ledger, "listed", count: 60)
                let over = Count()
                let most = try await withThrowingTaskGroup(of: Double.self) { group in
                    for _ in 1...20 {
                        group.addTask {
                            let events = try await ledger.calls.events(last: 60)
                            #expect(events.count == 60)
                            return 0
                        }
                    }
                    group.addTask {
                        var most = 0.0
                        var number = 0
                        while over.value == 0 {
                            number += 1
                            #expect(await ledger.calls.submit(.sample("beside-\(number)")).isSealed)
                            let metrics = try await ledger.process.metrics()
                            let pages = metrics["ledger_reads{kind=\"page\",state=\"active\"}"]
                            most = max(most, pages ?? .infinity)
                        }
                        return most
                    }
                    for _ in 1...20 { _ = try await group.next() }
                    over.increment()
                    return try await group.next() ?? .infinity
                }
                #expect(most <= 2, "\(most) pages were read at a time")
                #expect(try await ledger.process.metric("ledger_reads_refused_total") == 0)
            }
        }

        @Test("callers that do not read what they list hold little, and others list beside them")
        func unreadListings() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = ["LEDGER_MAX_LISTING_BYTES": "1048576", "LEDGER_CACHE_BYTES": "0"]
            try await withLedger(on: cluster, settings: settings) { ledger in
                // More than the 8 MiB of a stream that the transport takes though nobody reads them.
                for round in 1...6 { try await fill(ledger, "unread-\(round)", count: 50) }
                let stuck = try await LedgerCalls(ledger.process, windowBytes: 65_535)
                let (never, end) = AsyncStream.makeStream(of: Void.self)
                let listings = Task {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for _ in 1...30 {
                            group.addTask {
                                try await stuck.ledger.listEvents(.init()) { response in
                                    var messages = response.messages.makeAsyncIterator()
                                    _ = try await messages.next()
                                    // Until the listing is cancelled.
                                    for await _ in never {}
                                }
                            }
                        }
                        try await group.waitForAll()
                    }
                }
                try await eventually("all of them are open") {
                    try await ledger.process.metric("ledger_listings") >= 30.0
                }
                for _ in 1...3 {
                    #expect(try await ledger.calls.events().count == 300)
                    let held = try await ledger.process.metric("ledger_listing_bytes")
                    #expect(held <= 1_048_576, "\(held) bytes are held")
                }
                await stuck.close()
                end.finish()
                listings.cancel()
                _ = try? await listings.value
                try await eventually("none is left, and nothing is held") {
                    let metrics = try await ledger.process.metrics()
                    return metrics["ledger_listings"] == 0 && metrics["ledger_listing_bytes"] == 0
                }
            }
        }

        @Test("who follows a replica that seals costs etcd no read, however many follow")
        func followersOfTheSealer() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: Self.withoutAudit) { ledger in
                #expect(await ledger.calls.submit(.sample("first")).isSealed)
                let before = try await ranges(ledger)
                try await follow(ledger, on: ledger, followers: 60, events: 40)
                #expect(try await ranges(ledger) == before)
            }
        }

        @Test("followers of a replica that does not seal read each new block once, together")
        func followersElsewhere() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: Self.withoutAudit) { ledger in
                #expect(await ledger.calls.submit(.sample("first")).isSealed)
                let second = try await ledger.another()
                try await second.use { second in
                    let before = try await ranges(second)
                    try await follow(second, on: ledger, followers: 60, events: 40)
                    let read = try await ranges(second) - before
                    // Events are sealed one by one: at most a page for each of them.
                    #expect(read <= 42, "\(read) reads for 40 events and 60 followers")
                }
            }
        }

        private func follow(
            _ ledger: LedgerFixture, on sealer: LedgerFixture, followers: Int, events: Int
        ) async throws {
            let following = try await LedgerCalls(ledger.process)
            let caught = Count()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 1...followers {
                    group.addTask {
                        let numbers = try await following.ledger.listEvents(
                            .with { $0.follow = true }
                        ) { response in
                            var numbers: [UInt64] = []
                            for try await event in response.messages {
                                numbers.append(event.sequenceNumber)
                                if numbers.count == 1 { caught.increment() }
                                if numbers.count == events + 1 { break }
                            }
                            return numbers
                        }
                        #expect(numbers == Array(1...UInt64(events + 1)))
                    }
                }
                try await eventually("all of them follow") {
                    caught.value == followers
                }
                for number in 1...events {
                    let answer = await sealer.calls.submit(.sample("followed-\(number)"))
                    #expect(answer.isSealed)
                }
                try await group.waitForAll()
            }
            await following.close()
        }
    }
}

/// A number that several tasks count up.
private final class Count: Sendable {
    private let number = Atomic<Int>(0)

    var value: Int { number.load(ordering: .relaxed) }

    func increment() { number.add(1, ordering: .relaxed) }
}
