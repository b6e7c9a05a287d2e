import EventLoopTasks
package import LedgerCore
package import LedgerReplica
import NIOCore

/// Timers on the event loop that serves calls.
package struct ReactorTimers: ReplicaTimers {
    private struct Timer: ReplicaTimer {
        let scheduled: Scheduled<Void>

        func cancel() { scheduled.cancel() }
    }

    package init() {}

    package func schedule(
        after length: Nanoseconds, _ ring: @escaping @Sendable () -> Void
    ) -> any ReplicaTimer {
        Timer(scheduled: Reactor.loop.scheduleTask(in: .nanoseconds(length.count), ring))
    }
}
