import NIOCore

/// Decides whether what is to be forwarded waits a little for company, so that one message takes more of it.
///
/// What comes within one turn of the event loop goes together anyhow. Waiting costs a turn of its own, and those who wait
/// the time: it pays where several others come meanwhile. So it waits only while events have come that fast just now; a
/// lone caller's event goes at once, and so does that of many callers who together send little.
///
/// It holds no clock: everything is told it together with the moment at which it happened.
struct WritePace {
    /// Under load, messages are this far apart: a small part of what the sealer gathers for.
    static let interval = TimeAmount.milliseconds(3)
    /// So many events must have left within an interval, or the one before it, for the next ones to wait.
    static let company = 4

    private var windowBegan = NIODeadline.uptimeNanoseconds(0)
    /// Events that have left since then, and in the interval right before.
    private var sent = 0
    private var sentBefore = 0
    private var lastWrite = NIODeadline.uptimeNanoseconds(0)

    /// Until when what is there waits; nil where it goes now.
    mutating func holdUntil(_ now: NIODeadline) -> NIODeadline? {
        roll(to: now)
        guard max(sent, sentBefore) >= Self.company else { return nil }
        let later = lastWrite + Self.interval
        return later > now ? later : nil
    }

    /// So many events have left.
    mutating func wrote(_ events: Int, at now: NIODeadline) {
        roll(to: now)
        sent += events
        lastWrite = now
    }

    private mutating func roll(to now: NIODeadline) {
        let age = now - windowBegan
        guard age >= Self.interval else { return }
        sentBefore = age < Self.interval * 2 ? sent : 0
        sent = 0
        windowBegan = now
    }
}
