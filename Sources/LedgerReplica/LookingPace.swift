import LedgerCore

/// How soon a replica looks at the head again to read what others have sealed; pure.
///
/// What was sealed meanwhile is read in one go, which keeps processors and etcd busy that sealing waits for: read once a
/// second, two thousand events of 256 bytes doubled the slowest hundredth of sealing on a small machine. So it looks
/// sooner where more is sealed, for about as many events each time, but not so soon that the looks themselves would
/// cost more. Where so much is sealed that ids segments and tiles are read instead of blocks (protocol.md 23), it waits
/// until that pays.
struct LookingPace {
    /// About so many events are new at each look.
    static let portion = 256.0
    static let longest = Nanoseconds.milliseconds(1_000)
    static let shortest = Nanoseconds.milliseconds(100)

    /// Events a second that were new at the last looks, the latest counting half.
    private var rate = 0.0
    private var lookedAt: MonotonicInstant?

    /// It was looked, and so many events were new here.
    mutating func saw(_ events: UInt64, at now: MonotonicInstant) {
        defer { lookedAt = now }
        guard let lookedAt else { return }
        // Looks that somebody asked for come in any number, right after one another.
        let elapsed = max(now - lookedAt, .milliseconds(1))
        let weight = min(0.5, Double(elapsed.count) / Double(Self.shortest.count) / 2)
        rate += weight * (Double(events) * 1e9 / Double(elapsed.count) - rate)
    }

    /// Until the next look, where nobody asks for one.
    var interval: Nanoseconds {
        let inLongest = rate * Double(Self.longest.count) / 1e9
        guard inLongest > Self.portion, inLongest <= Double(ReplicaCore.reloadDistance) else {
            return Self.longest
        }
        let share = Self.portion / inLongest
        return max(Self.shortest, Nanoseconds(rounding: Double(Self.longest.count) * share))
    }
}
