/// Decides whether this replica's clock may date events: it must agree with most members of the
/// store (protocol.md 22).
///
/// Every answer of a member carries its time in whole seconds. A sample is therefore an interval:
/// how far this clock is ahead of the member's, at least and at most. What the wall clock did since
/// then that the boot clock did not (a step, by hand or by a time service) is added to it.
package struct ClockGuard: Sendable {
    /// What is known of this replica's clock.
    package enum Verdict: Hashable, Sendable {
        /// It agrees with most members.
        case agrees
        /// It is at least this far ahead of most members (behind, where negative), in milliseconds.
        case skewed(byMilliseconds: Int64)
        /// Fewer than a majority of the members were sampled lately.
        case noMajority
    }

    /// How far this clock was ahead of a member's, and when that was seen.
    private struct Sample {
        let aheadAtLeast: Int64
        let aheadAtMost: Int64
        let wallMilliseconds: Int64
        let bootMilliseconds: Int64
    }

    /// How long a sample counts, in milliseconds.
    package static let sampleLifetime: Int64 = 60_000

    /// The most members of which samples are kept.
    package static let maxMembers = 64

    /// `LEDGER_MAX_CLOCK_SKEW_MS`.
    package let maxSkewMilliseconds: Int64

    private var samples: [UInt64: Sample] = [:]

    /// A guard without samples.
    package init(maxSkewMilliseconds: Int64) {
        self.maxSkewMilliseconds = maxSkewMilliseconds
    }

    /// Takes the time that a member's answer carried.
    ///
    /// - Parameters:
    ///   - memberDateSeconds: the answer's `Date`, in epoch seconds, cut off after the second.
    ///   - wallMilliseconds: this replica's clock when the answer arrived, in epoch milliseconds.
    ///   - bootMilliseconds: the time since boot then, in milliseconds; never set by anybody.
    ///   - roundTripMilliseconds: how long before that the request was sent.
    package mutating func record(
        memberID: UInt64, memberDateSeconds: Int64, wallMilliseconds: Int64,
        bootMilliseconds: Int64, roundTripMilliseconds: Int64
    ) {
        samples = samples.filter { Self.isFresh($0.value, at: bootMilliseconds) }
        // An answer that was under way for longer than the skew allowed tells nothing.
        guard (0...maxSkewMilliseconds).contains(roundTripMilliseconds),
            samples[memberID] != nil || samples.count < Self.maxMembers
        else { return }
        let memberAtLeast = Self.clamped(memberDateSeconds, times: 1000)
        let wall = Self.clamped(wallMilliseconds)
        samples[memberID] = Sample(
            aheadAtLeast: wall - roundTripMilliseconds - (memberAtLeast + 999),
            aheadAtMost: wall - memberAtLeast,
            wallMilliseconds: wall,
            bootMilliseconds: bootMilliseconds)
    }

    /// Compares the clock, as it stands now, with the median of the members sampled within the last
    /// 60 seconds.
    ///
    /// - Parameter memberCount: the number of members of the store, of which a majority must have
    ///   been sampled.
    package func verdict(
        wallMilliseconds: Int64, bootMilliseconds: Int64, memberCount: Int
    ) -> Verdict {
        let skews = samples.values
            .filter { Self.isFresh($0, at: bootMilliseconds) }
            .map { Self.skew(of: $0, wall: wallMilliseconds, boot: bootMilliseconds) }
            .sorted()
        guard memberCount > 0, skews.count > memberCount / 2 else { return .noMajority }
        let upper = skews[skews.count / 2]
        let lower = skews[(skews.count - 1) / 2]
        // With an even number the worse of the two in the middle: a date too far ahead stays for
        // ever, a pause ends.
        let median = upper.magnitude >= lower.magnitude ? upper : lower
        return median.magnitude > maxSkewMilliseconds
            ? .skewed(byMilliseconds: median) : .agrees
    }

    private static func isFresh(_ sample: Sample, at bootMilliseconds: Int64) -> Bool {
        let (age, overflow) = bootMilliseconds.subtractingReportingOverflow(sample.bootMilliseconds)
        return !overflow && (0...sampleLifetime).contains(age)
    }

    /// The skew nearest to zero that a sample allows.
    private static func skew(of sample: Sample, wall: Int64, boot: Int64) -> Int64 {
        let step = (clamped(wall) - sample.wallMilliseconds) - (boot - sample.bootMilliseconds)
        let atLeast = sample.aheadAtLeast + step
        let atMost = sample.aheadAtMost + step
        if atLeast > 0 { return atLeast }
        return atMost < 0 ? atMost : 0
    }

    /// A time within some hundred million years of the epoch, so that sums of a few cannot
    /// overflow.
    private static func clamped(_ value: Int64, times factor: Int64 = 1) -> Int64 {
        let limit: Int64 = 1 << 60
        return min(max(value, -limit / factor), limit / factor) * factor
    }
}
