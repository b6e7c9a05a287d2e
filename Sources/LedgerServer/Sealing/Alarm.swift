import LedgerCore
import NIOCore

/// Rings when a state machine's next tick is due.
struct Alarm {
    private var due: MonotonicInstant?
    private var scheduled: Scheduled<Void>?

    /// Sets it for `wake`. One that has become later is left to ring early, which is harmless and saves setting it anew
    /// with every event.
    mutating func set(
        for wake: MonotonicInstant?, at now: MonotonicInstant,
        ring: @escaping @Sendable () -> Void
    ) {
        guard let wake else { return }
        if let due, due <= wake { return }
        scheduled?.cancel()
        due = wake
        scheduled = Reactor.loop.scheduleTask(in: .nanoseconds(max(0, (wake - now).count)), ring)
    }

    /// It rings no more until it is set again.
    mutating func rang() {
        due = nil
        scheduled = nil
    }
}
