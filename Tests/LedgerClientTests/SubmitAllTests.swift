import GRPCCore
import LedgerClient
import Synchronization
import Testing

@Suite("Submitting a stream of events", .timeLimit(.minutes(1)))
struct SubmitAllTests {
    /// Events `e0`, `e1`, ... that are counted as they are pulled.
    final class Source: AsyncSequence, Sendable {
        typealias Element = CertifiedEvent
        typealias Failure = any Error

        let count: Int
        let failure: (any Error)?
        let pulled = Atomic(0)

        init(_ count: Int, failure: (any Error)? = nil) {
            self.count = count
            self.failure = failure
        }

        struct Iterator: AsyncIteratorProtocol {
            let source: Source

            mutating func next(
                isolation actor: isolated (any Actor)?
            ) async throws(any Error) -> CertifiedEvent? {
                let index = source.pulled.load(ordering: .relaxed)
                guard index < source.count else {
                    if let failure = source.failure { throw failure }
                    return nil
                }
                source.pulled.add(1, ordering: .relaxed)
                return testEvent("e\(index)")
            }
        }

        func makeAsyncIterator() -> Iterator { Iterator(source: self) }
    }

    /// All results, which must come in order.
    private func submit(
        _ source: Source, to ledger: FakeLedger,
        configure: (inout LedgerClientConfiguration) -> Void = { _ in }
    ) async throws -> [SubmissionResult] {
        try await ledger.withClient(configure) { client in
            var results: [SubmissionResult] = []
            for try await result in client.submitAll(source) {
                #expect(result.index == results.count)
                #expect(result.eventID == "e\(results.count)")
                results.append(result)
            }
            return results
        }
    }

    @Test("Each event has a result, in order, over one stream")
    func inOrder() async throws {
        let ledger = FakeLedger()
        let results = try await submit(Source(3_000), to: ledger)
        #expect(try results.map { try $0.result.get().sequenceNumber } == Array(1...3_000))
        #expect(ledger.streams == 1)
    }

    @Test("No events, no results")
    func empty() async throws {
        #expect(try await submit(Source(0), to: FakeLedger()).isEmpty)
    }

    @Test("A stream that breaks again and again loses nothing and seals nothing twice")
    func brokenStreams() async throws {
        let ledger = FakeLedger(answersPerStream: 7)
        let results = try await submit(Source(200), to: ledger) { $0.streamWindow = 20 }
        #expect(results.count == 200)
        for result in results {
            let event = try result.result.get()
            #expect(event.eventID == result.eventID)
        }
        #expect(ledger.events.count == 200)
        #expect(Set(ledger.events.map(\.eventID)).count == 200)
        #expect(ledger.streams > 1)
    }

    @Test("Refused events are tried again, and their results keep their place")
    func overloaded() async throws {
        let ledger = FakeLedger { id, attempt in
            id.hasSuffix("3") && attempt < 3
                ? .fail(ledgerError(.resourceExhausted, "OVERLOADED")) : .seal
        }
        let results = try await submit(Source(50), to: ledger)
        #expect(results.count == 50)
        #expect(results[13].attempts == 3)
        #expect(results[14].attempts == 1)
        #expect(try results[13].result.get().sequenceNumber > 14)
        #expect(ledger.events.count == 50)
    }

    @Test("Where outcomes were unknown before, what is sealed already is success")
    func resolving() async throws {
        let ledger = FakeLedger()
        ledger.seal(testEvent("e1"))
        let sealed = try await ledger.withClient { client in
            var sealed: [UInt64] = []
            for try await result in client.submitAll(Source(3), resolvingUnknown: true) {
                sealed.append(try result.result.get().sequenceNumber)
            }
            return sealed
        }
        #expect(sealed == [2, 1, 3])
    }

    @Test("Each kind of answer ends as its own result")
    func mixed() async throws {
        let ledger = FakeLedger { id, attempt in
            switch id {
            case "e1": .fail(ledgerError(.invalidArgument, "INVALID_EVENT"))
            case "e3" where attempt == 1:
                .sealThenFail(ledgerError(.deadlineExceeded, "OUTCOME_UNKNOWN"))
            default: .seal
            }
        }
        ledger.seal(testEvent("e2"))
        ledger.seal(testEvent("e4", payload: [1]))
        let results = try await submit(Source(6), to: ledger)
        let outcomes = results.map { result in
            switch result.result {
            case .success: "sealed"
            case .failure(let error): error.name
            }
        }
        #expect(
            outcomes == ["sealed", "invalid", "duplicate", "sealed", "conflicting", "sealed"])
        #expect(results[3].attempts == 2)
    }

    @Test("The source is pulled no further than the window allows")
    func backPressure() async throws {
        let ledger = FakeLedger()
        let source = Source(1_000)
        try await ledger.withClient {
            $0.streamWindow = 10
        } _: { client in
            var taken = 0
            for try await _ in client.submitAll(source) {
                taken += 1
                #expect(source.pulled.load(ordering: .relaxed) <= taken + 10 + 1)
                if taken == 100 { break }
            }
        }
        #expect(source.pulled.load(ordering: .relaxed) <= 111)
    }

    @Test("An error of the source comes after the results of the events before it")
    func failingSource() async throws {
        struct Torn: Error {}
        let ledger = FakeLedger()
        try await ledger.withClient { client in
            var count = 0
            await #expect(throws: Torn.self) {
                for try await _ in client.submitAll(Source(20, failure: Torn())) { count += 1 }
            }
            #expect(count == 20)
        }
    }

    @Test("An answer that never comes ends the stream, and is asked for again")
    func stall() async throws {
        let ledger = FakeLedger { id, attempt in
            id == "e5" && attempt == 1 ? .sealThenHang : .seal
        }
        let results = try await submit(Source(20), to: ledger) {
            $0.streamStallTimeout = .milliseconds(200)
        }
        #expect(try results.map { try $0.result.get().eventID } == (0..<20).map { "e\($0)" })
        #expect(ledger.events.count == 20)
    }

    @Test("Where nothing listens, every event is certainly not sealed")
    func nobodyListens() async throws {
        let configuration = LedgerClientConfiguration(
            address: ServerAddress(host: "127.0.0.1", port: 1), retryPolicy: .never)
        try await withLedgerClient(configuration: configuration) { client in
            var count = 0
            for try await result in client.submitAll(Source(5)) {
                count += 1
                guard case .failure(let error) = result.result else {
                    Issue.record("sealed by nobody")
                    continue
                }
                #expect(error.kind == .unavailable)
                #expect(error.sealed == .no)
            }
            #expect(count == 5)
        }
    }

    @Test("Events wait for a service that comes back, and none is lost or sealed twice")
    func serviceComesBack() async throws {
        let ledger = FakeLedger()
        let port = try await ledger.serveOverTCP(port: 0) { $0 }
        let configuration = LedgerClientConfiguration(
            address: ServerAddress(host: "127.0.0.1", port: port),
            submissionDeadline: .seconds(20), retryPolicy: RetryPolicy(overallTime: .seconds(40)),
            streamWindow: 50)
        try await withLedgerClient(configuration: configuration) { client in
            let source = Source(200)
            let results = Task {
                var results: [SubmissionResult] = []
                for try await result in client.submitAll(source) { results.append(result) }
                return results
            }
            // The window is full of events that have nowhere to go.
            while source.pulled.load(ordering: .relaxed) < 50 { await Task.yield() }
            let sealed = try await ledger.serveOverTCP(port: port) { _ in
                try await results.value.map { try $0.result.get().eventID }
            }
            #expect(sealed == (0..<200).map { "e\($0)" })
        }
        #expect(ledger.events.count == 200)
    }
}
