import Synchronization

/// Bytes of events that all streams together have accepted and whose answers are not written.
package final class AnswerBudget: Sendable {
    private let used = Atomic<Int>(0)
    private let limit: Int

    /// - Parameter limit: `LEDGER_MAX_ANSWER_BYTES`.
    package init(limit: Int) {
        self.limit = limit
    }

    /// The bytes that are held now.
    package var held: Int { used.load(ordering: .relaxed) }

    /// Whether more is held than may be: then streams are read one event at a time.
    var isExceeded: Bool { held > limit }

    func take(_ count: Int) {
        used.add(count, ordering: .relaxed)
    }

    func giveBack(_ count: Int) {
        used.subtract(count, ordering: .relaxed)
    }
}
