import LedgerClient
import TestSupport
import Testing

@Suite("Deciding after an attempt to submit")
struct SubmissionAttemptsTests {
    private static let event = SealedEvent(
        sequenceNumber: 7, eventID: "e", payload: [], eventHash: "", previousHash: "",
        sealedTimestamp: 0)

    /// One attempt's end, short enough for tables.
    enum End: String, CaseIterable, Sendable {
        case sealed, duplicate, conflicting, corrupt, overloaded, notSealed, storageFull, invalid
        case notAllowed, unknown, unavailable, cancelled, cancelledOpen

        var result: Result<SealedEvent, LedgerError> {
            switch self {
            case .sealed: .success(event)
            case .duplicate: failure(.duplicate(original: event), .yes)
            case .conflicting: failure(.conflicting, .no)
            case .corrupt: failure(.corrupt, .unknown)
            case .overloaded: failure(.overloaded, .no)
            case .notSealed: failure(.notSealed, .no)
            case .storageFull: failure(.storageFull, .no)
            case .invalid: failure(.invalid(violations: []), .no)
            case .notAllowed: failure(.notAllowed, .no)
            case .unknown: failure(.outcomeUnknown, .unknown)
            case .unavailable: failure(.unavailable, .no)
            case .cancelled: failure(.cancelled, .no)
            case .cancelledOpen: failure(.cancelled, .unknown)
            }
        }

        private func failure(
            _ kind: LedgerError.Kind, _ sealed: SealedState
        ) -> Result<SealedEvent, LedgerError> {
            .failure(LedgerError(kind, sealed: sealed, message: rawValue))
        }
    }

    /// What the attempts came to: `retry`, `success`, or the error's name and what is sealed.
    private func decide(
        _ ends: [End], policy: RetryPolicy = RetryPolicy(maximumAttempts: 100),
        resolvingUnknown: Bool = false
    ) -> String {
        var attempts = SubmissionAttempts(policy: policy, hasUnknownAttempt: resolvingUnknown)
        var decision = ""
        for end in ends {
            switch attempts.attemptEnded(end.result, elapsed: .zero, random: 0.5) {
            case .succeed: decision = "success"
            case .fail(let error): decision = "\(error.name) \(error.sealed?.rawValue ?? "nil")"
            case .retry: decision = "retry"
            }
        }
        return decision
    }

    @Test(
        "The first answer",
        arguments: [
            (End.sealed, "success"), (.duplicate, "duplicate yes"),
            (.conflicting, "conflicting no"), (.corrupt, "corrupt unknown"),
            (.overloaded, "retry"), (.notSealed, "retry"), (.storageFull, "storage_full no"),
            (.invalid, "invalid no"), (.notAllowed, "not_allowed no"), (.unknown, "retry"),
            (.unavailable, "retry"), (.cancelled, "cancelled no"),
            (.cancelledOpen, "cancelled unknown"),
        ])
    func firstAnswer(end: End, decision: String) {
        #expect(decide([end]) == decision)
    }

    @Test(
        "The answer after an unknown outcome: only sealed, duplicate and conflicting settle it",
        arguments: [
            (End.sealed, "success"), (.duplicate, "success"), (.conflicting, "conflicting no"),
            (.corrupt, "corrupt unknown"), (.overloaded, "retry"), (.notSealed, "retry"),
            (.storageFull, "retry"), (.invalid, "retry"), (.notAllowed, "retry"),
            (.unknown, "retry"), (.unavailable, "retry"), (.cancelled, "cancelled unknown"),
            (.cancelledOpen, "cancelled unknown"),
        ])
    func answerAfterUnknown(end: End, decision: String) {
        #expect(decide([.unknown, end]) == decision)
        #expect(decide([.unknown, .overloaded, end]) == decision)
        #expect(decide([end], resolvingUnknown: true) == decision)
    }

    @Test(
        "The last attempt's answer",
        arguments: [
            ([End.overloaded, .overloaded], "overloaded no"),
            ([.notSealed, .unavailable], "unavailable no"),
            ([.unavailable, .unknown], "outcome_unknown unknown"),
            ([.unknown, .overloaded], "outcome_unknown unknown"),
            ([.unknown, .invalid], "outcome_unknown unknown"),
            ([.unknown, .unavailable], "outcome_unknown unknown"),
        ])
    func lastAnswer(ends: [End], decision: String) {
        #expect(decide(ends, policy: RetryPolicy(maximumAttempts: 2)) == decision)
    }

    @Test("A certain rejection never follows an unknown outcome, in any sequence of answers")
    func randomSequences() {
        var generator = ReplayableRandom()
        print(generator.note)
        for _ in 0..<2_000 {
            let limit = Int.random(in: 1...6, using: &generator)
            var attempts = SubmissionAttempts(policy: RetryPolicy(maximumAttempts: limit))
            var sawUnknown = false
            var isOpen = true
            while isOpen {
                let end = End.allCases.randomElement(using: &generator) ?? .sealed
                if end == .unknown { sawUnknown = true }
                let random = Double.random(in: 0..<1, using: &generator)
                switch attempts.attemptEnded(end.result, elapsed: .zero, random: random) {
                case .retry:
                    #expect(attempts.count < limit)
                case .succeed:
                    #expect(end == .sealed || (end == .duplicate && sawUnknown))
                    isOpen = false
                case .fail(let error):
                    if sawUnknown, end != .conflicting { #expect(error.sealed == .unknown) }
                    if !sawUnknown, error.sealed == .unknown {
                        #expect(end == .corrupt || end == .cancelledOpen)
                    }
                    isOpen = false
                }
            }
        }
    }

    @Test("A certain rejection is what the error of an unknown outcome names as its cause")
    func causeIsKept() {
        var attempts = SubmissionAttempts(policy: .never, hasUnknownAttempt: true)
        let action = attempts.attemptEnded(End.overloaded.result, elapsed: .zero, random: 0)
        guard case .fail(let error) = action else {
            Issue.record("retried without a second attempt")
            return
        }
        #expect(error.kind == .outcomeUnknown)
        #expect((error.cause as? LedgerError)?.kind == .overloaded)
        #expect(error.description.contains("is unknown"))
    }
}
