package import LedgerCore

/// When this replica looks at the stored checkpoint, and when it is its turn to put a newer one; pure.
///
/// The replica that seals puts one at most once a second. Where it does not (it has no key, hangs, or nobody holds the
/// hint) another one that has a key does, before two seconds have passed: the comparison in the store lets one win.
package struct CheckpointPace: Sendable {
    /// The least time between two checkpoints of the replica that seals.
    package static let interval = Nanoseconds.milliseconds(1_000)
    /// The time between two looks of another one.
    package static let lookInterval = Nanoseconds.milliseconds(500)
    /// For so long a checkpoint of what is sealed may be missing before another one puts it. A replica that follows sees
    /// an event up to a second late, and looks every half second: about two seconds in all.
    package static let patience = Nanoseconds.milliseconds(800)

    private var lastLook: MonotonicInstant?
    /// What should be covered soon, and since when it is waited for.
    private var expected: (size: UInt64, since: MonotonicInstant)?

    package init() {}

    /// How long to wait before the next look.
    package func delay(leads: Bool, at now: MonotonicInstant) -> Nanoseconds {
        guard let lastLook else { return .zero }
        let interval = leads ? Self.interval : Self.lookInterval
        return max(.zero, interval - (now - lastLook))
    }

    package mutating func began(at now: MonotonicInstant) { lastLook = now }

    /// The stored checkpoint was seen.
    ///
    /// - Returns: whether this replica should put a newer one.
    package mutating func shouldPut(
        covered: UInt64, head: UInt64, leads: Bool, at now: MonotonicInstant
    ) -> Bool {
        guard covered < head else {
            expected = nil
            return false
        }
        if leads { return true }
        guard let expected, covered < expected.size else {
            self.expected = (head, now)
            return false
        }
        return now - expected.since >= Self.patience
    }
}
