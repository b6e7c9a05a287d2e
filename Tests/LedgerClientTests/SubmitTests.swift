import GRPCCore
import LedgerAPI
import LedgerClient
import Testing

@Suite("Submitting one event", .timeLimit(.minutes(1)))
struct SubmitTests {
    private static let broken = RPCError(code: .unavailable, message: "the connection broke")
    private let event = testEvent("e")

    @Test("A sealed event comes back with its number and a right hash")
    func sealed() async throws {
        let ledger = FakeLedger()
        let sealed = try await ledger.withClient { try await $0.submit(testEvent("e")) }
        #expect(sealed.sequenceNumber == 1)
        #expect(sealed.hasValidHash)
        #expect(sealed.commitLatencyMilliseconds == 3)
    }

    @Test("An answer that was lost is asked for again, and the duplicate is success")
    func lostAnswer() async throws {
        let ledger = FakeLedger { _, attempt in
            attempt == 1 ? .sealThenFail(Self.broken) : .seal
        }
        let sealed = try await ledger.withClient { try await $0.submit(testEvent("e")) }
        #expect(sealed.sequenceNumber == 1)
        #expect(ledger.events.count == 1)
        #expect(ledger.attempts(of: "e") == 2)
    }

    @Test("An answer that does not come in time is asked for again")
    func hangingAnswer() async throws {
        let ledger = FakeLedger { _, attempt in attempt == 1 ? .sealThenHang : .seal }
        let sealed = try await ledger.withClient {
            $0.submissionDeadline = .milliseconds(200)
        } _: {
            try await $0.submit(testEvent("e"))
        }
        #expect(sealed.sequenceNumber == 1)
        // On a busy machine further attempts may be late, too.
        #expect(ledger.attempts(of: "e") >= 2)
        #expect(ledger.events.count == 1)
    }

    @Test("A duplicate of somebody else's submission is an error that brings the original")
    func duplicate() async throws {
        let ledger = FakeLedger()
        let original = ledger.seal(event)
        let error = try await ledger.withClient { client in
            await #expect(throws: LedgerError.self) { try await client.submit(testEvent("e")) }
        }
        #expect(error?.kind == .duplicate(original: original))
        #expect(error?.sealed == .yes)
    }

    @Test("A caller that resolves an unknown outcome gets the original as success")
    func resolving() async throws {
        let ledger = FakeLedger()
        let original = ledger.seal(event)
        let sealed = try await ledger.withClient {
            try await $0.submit(testEvent("e"), resolvingUnknown: true)
        }
        #expect(sealed.eventHash == original.eventHash)
    }

    @Test("Overload passes, and the event is sealed in the end")
    func overloaded() async throws {
        let ledger = FakeLedger { _, attempt in
            attempt < 4
                ? .fail(
                    ledgerError(.resourceExhausted, "OVERLOADED", retryAfter: .milliseconds(1)))
                : .seal
        }
        _ = try await ledger.withClient { try await $0.submit(testEvent("e")) }
        #expect(ledger.attempts(of: "e") == 4)
    }

    @Test(
        "What somebody must correct is not tried again",
        arguments: [
            (RPCError.Code.invalidArgument, "INVALID_EVENT", "invalid"),
            (.resourceExhausted, "STORAGE_FULL", "storage_full"),
            (.permissionDenied, "BAD_SIGNATURE", "bad_signature"),
            (.failedPrecondition, "LEDGER_ROLLED_BACK", "rolled_back"),
        ])
    func final(code: RPCError.Code, reason: String, name: String) async throws {
        let ledger = FakeLedger { _, _ in .fail(ledgerError(code, reason)) }
        let error = try await ledger.withClient { client in
            await #expect(throws: LedgerError.self) { try await client.submit(testEvent("e")) }
        }
        #expect(error?.name == name)
        #expect(error?.sealed == .no)
        #expect(ledger.attempts(of: "e") == 1)
    }

    @Test("An unknown outcome stays unknown, however certainly later attempts are refused")
    func unknownThenRefused() async throws {
        let ledger = FakeLedger { _, attempt in
            attempt == 1
                ? .fail(Self.broken) : .fail(ledgerError(.invalidArgument, "INVALID_EVENT"))
        }
        let error = try await ledger.withClient {
            $0.retryPolicy = RetryPolicy(maximumAttempts: 4, initialBackoff: .milliseconds(1))
        } _: { client in
            await #expect(throws: LedgerError.self) { try await client.submit(testEvent("e")) }
        }
        #expect(error?.kind == .outcomeUnknown)
        #expect(error?.sealed == .unknown)
        #expect(ledger.attempts(of: "e") == 4)
    }

    @Test("Another content under the same id is a conflict, also after an unknown outcome")
    func conflict() async throws {
        let ledger = FakeLedger { _, attempt in attempt == 1 ? .fail(Self.broken) : .seal }
        ledger.seal(testEvent("e", payload: [1]))
        let error = try await ledger.withClient { client in
            await #expect(throws: LedgerError.self) { try await client.submit(testEvent("e")) }
        }
        #expect(error?.kind == .conflicting)
        #expect(error?.sealed == .no)
    }

    @Test("An answer with a wrong hash is corrupt, unless hashes are not checked")
    func corrupt() async throws {
        let ledger = FakeLedger { _, _ in
            .answer { answer in
                var answer = answer
                answer.sealedTimestamp += 1
                return answer
            }
        }
        let error = try await ledger.withClient { client in
            await #expect(throws: LedgerError.self) { try await client.submit(testEvent("e")) }
        }
        #expect(error?.kind == .corrupt)
        _ = try await ledger.withClient {
            $0.checksHashes = false
        } _: {
            try await $0.submit(testEvent("f"))
        }
    }

    @Test("Where nothing listens, it is certain that nothing was sealed")
    func nobodyListens() async throws {
        // Port 1 belongs to a service that nobody runs.
        let configuration = LedgerClientConfiguration(
            address: ServerAddress(host: "127.0.0.1", port: 1),
            submissionDeadline: .seconds(5), retryPolicy: .never)
        let error = try await withLedgerClient(configuration: configuration) { client in
            await #expect(throws: LedgerError.self) { try await client.submit(testEvent("e")) }
        }
        #expect(error?.kind == .unavailable)
        #expect(error?.sealed == .no)
    }

    @Test("A cancelled submission that was under way is unknown")
    func cancelled() async throws {
        let ledger = FakeLedger { _, _ in .sealThenHang }
        let error = try await ledger.withClient { client in
            let task = Task { try await client.submit(testEvent("e")) }
            while ledger.attempts(of: "e") == 0 { await Task.yield() }
            task.cancel()
            return await #expect(throws: LedgerError.self) { try await task.value }
        }
        #expect(error?.kind == .cancelled)
        #expect(error?.sealed == .unknown)
    }
}
