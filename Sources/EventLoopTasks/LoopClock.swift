import NIOCore
package import NIOPosix
import Synchronization

/// Tells since when what the reactor reads now may have been there.
///
/// Bytes that arrive while the event loop is busy wait in the kernel until it looks again. Who takes the time only then
/// does not count the wait, and so no stall of the loop would ever show in a latency. The kernel does not say when bytes
/// came, but the loop knows since when it has not looked: an upper bound.
package final class LoopClock: NIOEventLoopMetricsDelegate {
    /// A pause of this length between two turns is sleep: what woke the loop came when it woke.
    private static let sleep: UInt64 = 200_000

    private let turnBegan = Atomic<UInt64>(0)
    private let turnEnded = Atomic<UInt64>(0)
    private let arrivalOfTurn = Atomic<UInt64>(0)

    package init() {}

    /// The earliest moment at which what is read in this turn of the loop may have been there, on the clock of
    /// `NIODeadline`. To be asked on the loop.
    package var arrival: UInt64 {
        let known = arrivalOfTurn.load(ordering: .relaxed)
        if known != 0 { return known }
        let now = NIODeadline.now().uptimeNanoseconds
        let slept = now &- turnEnded.load(ordering: .relaxed) > Self.sleep
        let arrival = slept ? now : turnBegan.load(ordering: .relaxed)
        arrivalOfTurn.store(arrival, ordering: .relaxed)
        return arrival
    }

    /// How long ago a moment of `arrival` was.
    package static func age(of arrival: UInt64) -> Duration {
        let now = NIODeadline.now().uptimeNanoseconds
        return .nanoseconds(Int64(clamping: now > arrival ? now - arrival : 0))
    }

    package func processedTick(info: NIOEventLoopTickInfo) {
        turnBegan.store(info.startTime.uptimeNanoseconds, ordering: .relaxed)
        turnEnded.store(info.endTime.uptimeNanoseconds, ordering: .relaxed)
        arrivalOfTurn.store(0, ordering: .relaxed)
    }
}
