package import LedgerCore

/// When this replica archives, and whose turn it is; pure.
///
/// The replica that seals archives: twice in each interval, so that an event which just missed one round is in the
/// next before the interval is over, and sooner where much waits. Another one looks how far the archive is, and stands in
/// where what it knew two intervals ago is still missing. Two at once do no harm: they write the same bytes.
package struct ArchiveMachine: Sendable {
    /// With so many events waiting, the next round does not wait for its time.
    package static let soonEvents: UInt64 = 16_384
    /// Between two rounds that much waits for.
    static let shortestPause = Nanoseconds.milliseconds(1_000)
    /// After a first failure; it doubles up to the interval.
    static let firstBackOff = Nanoseconds.milliseconds(1_000)
    /// So many moments are remembered at which the head was where.
    static let mostMarks = 64

    package enum Action: Hashable, Sendable {
        /// Nothing for so long.
        case wait(Nanoseconds)
        /// Reads how far the archive is.
        case look
        /// Archives what is sealed and signed.
        case archive
    }

    /// The head as it was seen at a moment.
    private struct Mark: Sendable {
        var number: UInt64
        var at: MonotonicInstant
    }

    /// `LEDGER_ARCHIVE_INTERVAL`.
    package let interval: Nanoseconds
    /// Every event up to this number is archived, as far as is known; nil before the first look.
    package private(set) var through: UInt64?
    /// In a row.
    package private(set) var failures = 0
    private var head: UInt64 = 0
    private var marks: [Mark] = []
    private var lastLook: MonotonicInstant?
    private var lastRound: MonotonicInstant?
    private var notBefore: MonotonicInstant?
    /// How far the archive was when this replica's last round failed; nil after one that ended well, or once somebody
    /// else has come further.
    private var failedAt: UInt64?

    package init(interval: Nanoseconds) {
        self.interval = interval
    }

    // MARK: What happens

    /// The head is known to be at least so far.
    package mutating func saw(head number: UInt64, at now: MonotonicInstant) {
        guard number > head else { return }
        head = number
        guard number > through ?? 0 else { return }
        // With many marks, every other one is enough to tell the lag within an interval or so.
        if marks.count >= Self.mostMarks {
            marks = marks.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)
        }
        marks.append(Mark(number: number, at: now))
    }

    /// It was looked how far the archive is. That reading works does not mean that writing does: after a round that
    /// failed, its failures count until the archive has come further.
    package mutating func looked(through number: UInt64, at now: MonotonicInstant) {
        lastLook = now
        reached(number)
        if let failedAt, number <= failedAt { return }
        forgive()
    }

    /// A round begins.
    package mutating func began(at now: MonotonicInstant) { lastRound = now }

    /// A round has ended well.
    package mutating func succeeded(through number: UInt64, at now: MonotonicInstant) {
        lastLook = now
        reached(number)
        forgive()
    }

    private mutating func forgive() {
        failures = 0
        notBefore = nil
        failedAt = nil
    }

    /// A round has failed, or a look.
    package mutating func failed(inRound: Bool, at now: MonotonicInstant) {
        if inRound { failedAt = through ?? 0 }
        failures += 1
        let doublings = min(failures - 1, 16)
        let longest = max(interval, Self.firstBackOff)
        notBefore = now + min(longest, Self.firstBackOff * Int64(1 << doublings))
    }

    private mutating func reached(_ number: UInt64) {
        through = number
        marks.removeAll { $0.number <= number }
    }

    // MARK: What is to be done

    package func action(leads: Bool, at now: MonotonicInstant) -> Action {
        if let notBefore, now < notBefore { return .wait(notBefore - now) }
        guard let through, let lastLook else { return .look }
        let period = interval / 2
        let isDue: Bool
        if leads {
            let sinceRound = lastRound.map { now - $0 }
            isDue =
                through < head
                && (failedAt != nil || sinceRound.map { $0 >= period } ?? true
                    || (head - through >= Self.soonEvents
                        && sinceRound.map { $0 >= Self.shortestPause } ?? true))
        } else {
            isDue = lag(at: now) >= interval * 2
        }
        // A stand-in looks first: somebody else may have archived meanwhile.
        if isDue { return leads || now - lastLook < Self.shortestPause ? .archive : .look }
        if now - lastLook >= period { return .look }
        return .wait(Self.shortestPause / 2)
    }

    // MARK: What is shown

    /// How many events are sealed and not known to be archived.
    package var lagEvents: UInt64 { head > through ?? 0 ? head - (through ?? 0) : 0 }

    /// For how long the oldest of them has been known here.
    package func lag(at now: MonotonicInstant) -> Nanoseconds {
        guard lagEvents > 0, let oldest = marks.first else { return .zero }
        return max(.zero, now - oldest.at)
    }
}
