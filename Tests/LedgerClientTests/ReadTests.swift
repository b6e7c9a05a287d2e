import LedgerClient
import Testing

@Suite("Reading", .timeLimit(.minutes(1)))
struct ReadTests {
    private func ledger(events: Int, answersPerStream: Int? = nil) -> FakeLedger {
        let ledger = FakeLedger(answersPerStream: answersPerStream)
        for index in 0..<events { ledger.seal(testEvent("e\(index)")) }
        return ledger
    }

    @Test("An event is found by its number and by its id")
    func get() async throws {
        try await ledger(events: 3).withClient { client in
            let second = try await client.get(2)
            let third = try await client.get(id: "e2")
            #expect(second.eventID == "e1")
            #expect(third.sequenceNumber == 3)
            let error = await #expect(throws: LedgerError.self) { try await client.get(4) }
            #expect(error?.kind == .notFound)
        }
    }

    @Test("A deadline may be of any length", arguments: [Duration.seconds(Int64.max), .zero])
    func farDeadline(deadline: Duration) async throws {
        try await ledger(events: 1).withClient {
            $0.readDeadline = deadline
            $0.submissionDeadline = deadline
            $0.streamStallTimeout = .seconds(Int64.max)
            $0.retryPolicy = .never
        } _: { client in
            if deadline == .zero {
                await #expect(throws: LedgerError.self) { try await client.get(1) }
                return
            }
            let read = try await client.get(1)
            #expect(read.eventID == "e0")
            let sealed = try await client.submit(testEvent("far"))
            #expect(sealed.sequenceNumber == 2)
        }
    }

    @Test("An event that was altered in the store is refused")
    func altered() async throws {
        let ledger = ledger(events: 3)
        ledger.tamper(2) { $0.payload = [0] }
        try await ledger.withClient { client in
            let error = await #expect(throws: LedgerError.self) { try await client.get(2) }
            #expect(error?.kind == .corrupt)
            var read = 0
            let listing = await #expect(throws: LedgerError.self) {
                for try await _ in client.list() { read += 1 }
            }
            #expect(listing?.kind == .corrupt)
            #expect(read == 1)
        }
    }

    @Test("A range is read to its end, over as many connections as it takes")
    func list() async throws {
        try await ledger(events: 50, answersPerStream: 7).withClient { client in
            var numbers: [UInt64] = []
            for try await event in client.list(first: 3, last: 44) {
                numbers.append(event.sequenceNumber)
            }
            #expect(numbers == Array(3...44))
        }
    }

    @Test("Everything is read where the head is not named")
    func listAll() async throws {
        try await ledger(events: 40, answersPerStream: 10).withClient { client in
            var count = 0
            for try await _ in client.list() { count += 1 }
            #expect(count == 40)
        }
        try await ledger(events: 0).withClient { client in
            for try await _ in client.list() { Issue.record("an event of an empty ledger") }
        }
    }

    @Test("Following goes on behind what was read when the connection breaks")
    func follow() async throws {
        let ledger = ledger(events: 5)
        try await ledger.withClient { client in
            var numbers: [UInt64] = []
            for try await event in client.list(first: 2, follow: true) {
                numbers.append(event.sequenceNumber)
                if numbers.count == 4 { ledger.seal(testEvent("late")) }
                if event.eventID == "late" { break }
            }
            #expect(numbers == [2, 3, 4, 5, 6])
        }
    }

    @Test("The head is exact although the service's report is behind")
    func head() async throws {
        try await ledger(events: 5).withClient { client in
            let head = try await client.head()
            #expect(head?.sequenceNumber == 5)
        }
        try await ledger(events: 0).withClient { client in
            let head = try await client.head()
            #expect(head == nil)
        }
    }

    @Test("Reports come over with their findings")
    func reports() async throws {
        try await ledger(events: 1).withClient { client in
            let report = try await client.verify()
            #expect(!report.isValid)
            #expect(report.firstFinding?.kind == "link_broken")
            let health = try await client.health()
            #expect(health.status == "SERVING")
            let error = await #expect(throws: LedgerError.self) { try await client.checkpoint() }
            #expect(error?.kind == .noSigningKey)
        }
    }
}
