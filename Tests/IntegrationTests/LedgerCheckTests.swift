import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

/// The checks that the other tests rely on do find what they are for.
@Suite("LedgerCheck")
struct LedgerCheckTests {
    /// A sound ledger of so many events.
    private func ledger(_ count: Int) throws -> [Ledger_SealedEvent] {
        var previous = Digest.zero.hex
        return try (1...count).map { number in
            let event = Ledger_CertifiedEvent.sample("event-\(number)")
            var sealed = Ledger_SealedEvent()
            sealed.sequenceNumber = UInt64(number)
            sealed.eventID = event.eventID
            sealed.payload = event.payload
            sealed.vepsSignature = event.vepsSignature
            sealed.vepsTimestamp = event.vepsTimestamp
            sealed.metadata = event.metadata
            sealed.sealedTimestamp = 1_000 + Int64(number)
            sealed.previousHash = previous
            sealed.eventHash = try #require(LedgerCheck.hash(of: sealed))
            previous = sealed.eventHash
            return sealed
        }
    }

    @Test("a sound ledger passes, and each kind of damage is found")
    func chain() throws {
        let sound = try ledger(5)
        #expect(LedgerCheck(sound).chainContradictions == [])
        let damages: [(inout [Ledger_SealedEvent]) -> Void] = [
            { $0[2].payload = .init() },
            { $0[2].sequenceNumber = 7 },
            { $0[2].previousHash = Digest.zero.hex },
            { $0[2].eventHash = Digest.zero.hex },
            { $0[2].sealedTimestamp = 1 },
            { $0[2].submitter = "somebody" },
            { $0.remove(at: 2) },
            { $0.insert($0[2], at: 2) },
        ]
        for (place, damage) in damages.enumerated() {
            var damaged = sound
            damage(&damaged)
            #expect(!LedgerCheck(damaged).chainContradictions.isEmpty, "damage \(place)")
        }
    }

    @Test("what contradicts the answers that callers got is found")
    func answers() throws {
        let sealed = try ledger(3)
        func contradictions(_ answers: [(String, CallAnswer)]) -> [String] {
            let log = SubmissionLog()
            for (id, answer) in answers {
                log.submitted(.sample(id))
                log.answered(.sample(id), answer)
            }
            return LedgerCheck(sealed).contradictions(with: log)
        }
        let unknown = CallAnswer.unknown(.deadlineExceeded, reason: "OUTCOME_UNKNOWN")
        let notSealed = CallAnswer.notSealed(.unavailable, reason: "NOT_SEALED")
        #expect(contradictions([("event-1", .sealed(sealed[0]))]) == [])
        #expect(contradictions([("event-1", unknown), ("event-1", .duplicate(sealed[0]))]) == [])
        #expect(contradictions([("event-1", unknown), ("event-1", notSealed)]) == [])
        #expect(contradictions([("other", notSealed), ("another", unknown)]) == [])

        #expect(!contradictions([("other", .sealed(sealed[0]))]).isEmpty)
        #expect(!contradictions([("other", .duplicate(nil))]).isEmpty)
        #expect(!contradictions([("event-1", notSealed)]).isEmpty)
        #expect(!contradictions([("event-1", .sealed(sealed[1]))]).isEmpty)
        // Acknowledged before the other was submitted, but with the higher number.
        #expect(
            !contradictions([("event-3", .sealed(sealed[2])), ("event-1", .sealed(sealed[0]))])
                .isEmpty)
    }
}
