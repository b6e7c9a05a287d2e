package import LedgerAPI
import Synchronization

/// Everything that callers submitted and were told, to be held against the ledger afterwards.
package final class SubmissionLog: Sendable {
    /// What is known of one event id.
    package struct Record: Sendable {
        package var event: Ledger_CertifiedEvent
        /// When it was submitted first, by whomever.
        package var submittedAt: ContinuousClock.Instant
        /// When the first answer came that proves it sealed.
        package var acknowledgedAt: ContinuousClock.Instant?
        /// Submissions that have not been answered yet.
        package var pending = 0
        package var answers: [CallAnswer] = []

        /// Whether nobody could tell yet what became of it.
        package var isOpen: Bool {
            if answers.contains(where: \.isProofOfSealing) { return false }
            return pending > 0 || answers.contains(where: \.isUnknown)
        }
    }

    private let records = Mutex<[String: Record]>([:])

    package init() {}

    /// Submits an event through a call that is recorded.
    @discardableResult
    package func record(
        _ event: Ledger_CertifiedEvent,
        _ submit: (Ledger_CertifiedEvent) async throws -> CallAnswer
    ) async rethrows -> CallAnswer {
        submitted(event)
        let answer = try await submit(event)
        answered(event, answer)
        return answer
    }

    /// An event is about to be submitted.
    package func submitted(_ event: Ledger_CertifiedEvent) {
        let now = ContinuousClock.now
        records.withLock { records in
            records[event.eventID, default: Record(event: event, submittedAt: now)].pending += 1
        }
    }

    /// A submission was answered.
    package func answered(_ event: Ledger_CertifiedEvent, _ answer: CallAnswer) {
        let now = ContinuousClock.now
        records.withLock { records in
            guard var record = records[event.eventID] else { return }
            record.pending -= 1
            record.answers.append(answer)
            if answer.isProofOfSealing, record.acknowledgedAt == nil { record.acknowledgedAt = now }
            records[event.eventID] = record
        }
    }

    // MARK: What is known

    package var all: [Record] { records.withLock { Array($0.values) } }

    /// The events whose fate nobody was told.
    package var open: [Ledger_CertifiedEvent] { all.filter(\.isOpen).map(\.event) }

    package var acknowledgedCount: Int { all.count { $0.acknowledgedAt != nil } }

    /// The answers of all submissions.
    package var answers: [CallAnswer] { all.flatMap(\.answers) }

    /// How many answers satisfy a condition.
    package func count(where condition: (CallAnswer) -> Bool) -> Int {
        answers.count(where: condition)
    }

    /// Submits every open event again until it is settled.
    package func settleOpen(with calls: LedgerCalls) async throws {
        for event in open { try await record(event) { try await calls.settle($0) } }
    }
}
