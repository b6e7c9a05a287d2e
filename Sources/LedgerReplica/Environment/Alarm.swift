import LedgerCore

/// Rings when the core's next tick is due.
struct Alarm: Sendable {
    private var due: MonotonicInstant?
    private var timer: (any ReplicaTimer)?
    /// Which setting it is: one that was replaced may be ringing already.
    private var number: UInt64 = 0

    /// Whether it must be set to ring at `wake`. One that rings before that is left as it is, which is harmless and
    /// saves setting it anew with every event.
    func isTooLate(for wake: MonotonicInstant) -> Bool {
        due.map { $0 > wake } ?? true
    }

    /// - Parameter ring: called with the number of this setting.
    mutating func set(
        for wake: MonotonicInstant, at now: MonotonicInstant, on timers: any ReplicaTimers,
        ring: @escaping @Sendable (UInt64) -> Void
    ) {
        timer?.cancel()
        due = wake
        number += 1
        timer = timers.schedule(after: max(.zero, wake - now)) { [number] in ring(number) }
    }

    /// It rings no more until it is set again.
    ///
    /// - Returns: false where it has been set anew since.
    mutating func rang(_ number: UInt64) -> Bool {
        guard number == self.number else { return false }
        due = nil
        timer = nil
        return true
    }
}
