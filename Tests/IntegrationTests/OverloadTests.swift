import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// More callers than can be served at once.
    @Suite("Overload", .serialized)
    struct OverloadTests {
        /// How often one caller had to come.
        private struct Attempts {
            var refused = 0
            var other = 0
        }

        @Test("callers who come back when RetryInfo says so are sealed after few attempts")
        func obedientCallers() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            // Small transactions: a crowd is soon too many, on a fast machine as well.
            let settings = ["LEDGER_MAX_BATCH_EVENTS": "4", "LEDGER_COMMIT_DEADLINE_MS": "100"]
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await ledger.seal("warm", 20)
                let callers = 600
                let all = try await withThrowingTaskGroup(of: Attempts.self) { group in
                    for caller in 0..<callers {
                        group.addTask {
                            try await obey(ledger.calls, .sample("crowd-\(caller)"))
                        }
                    }
                    return try await group.reduce(into: [Attempts]()) { $0.append($1) }
                }
                let refused = all.map(\.refused).reduce(0, +)
                let other = all.map(\.other).reduce(0, +)
                let most = all.map(\.refused).max() ?? 0
                print("\(callers) callers: refused \(refused), at most \(most), other \(other)")
                #expect(refused > 0, "nobody was turned away: this shows nothing")
                // Told the same time, all of them would come again at once, and most would be turned away again.
                #expect(refused < 4 * callers)
                #expect(try await LedgerCheck.contradictions(ledger.calls) == [])
            }
        }

        /// Submits until it is sealed, and does as it is told.
        private func obey(
            _ calls: LedgerCalls, _ event: Ledger_CertifiedEvent
        ) async throws -> Attempts {
            var attempts = Attempts()
            while true {
                do {
                    _ = try await calls.ledger.submitEvent(event)
                    return attempts
                } catch {
                    let failure = CallFailure(error)
                    switch failure.reason {
                    case "DUPLICATE_EVENT": return attempts
                    case "OVERLOADED":
                        attempts.refused += 1
                        let delay = try #require(failure.retryDelay)
                        #expect(delay > .zero && delay <= .seconds(5))
                        try await Task.sleep(for: delay)
                    case "NOT_SEALED", "OUTCOME_UNKNOWN":
                        attempts.other += 1
                        try await Task.sleep(for: failure.retryDelay ?? .milliseconds(10))
                    default: throw failure
                    }
                }
            }
        }
    }
}
