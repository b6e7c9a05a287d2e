/// A replica that forwards to this one, and could seal in its place.
package struct SealingCandidate: Hashable, Sendable {
    package let hint: SealerHint
    /// When it was started, on this replica's clock.
    package let startedAt: MonotonicInstant

    package init(hint: SealerHint, startedAt: MonotonicInstant) {
        self.hint = hint
        self.startedAt = startedAt
    }

    /// To whom a sealer that leaves gives the hint, so that it stays there (replicas.md, "Who seals").
    ///
    /// Where replicas are replaced one after another, those that stay are younger than those that go: the youngest is
    /// taken. Who is the youngest itself does not make room for others, but leaves because there are to be fewer, and of
    /// those the youngest go first: the oldest is taken.
    ///
    /// - Parameter startedAt: when the sealer that leaves was started.
    /// - Returns: nil where nobody forwards here who can be named.
    package static func successor(
        among candidates: [SealingCandidate], ofSealerStartedAt startedAt: MonotonicInstant
    ) -> SealerHint? {
        // Two that were started in the same moment are told apart by their ids, so that the choice is one.
        func isOlder(_ one: SealingCandidate, _ other: SealingCandidate) -> Bool {
            (one.startedAt, one.hint.id) < (other.startedAt, other.hint.id)
        }
        let youngest = candidates.max(by: isOlder)
        if let youngest, youngest.startedAt > startedAt { return youngest.hint }
        return candidates.min(by: isOlder)?.hint
    }
}
