/// Counts latencies in buckets that grow with the value: exact up to 255 microseconds, then within
/// 0.8 percent, in a few kilobytes whatever the number of samples.
struct LatencyHistogram: Sendable, Equatable {
    private static let subBits = 7
    private static let subCount = 1 << subBits
    /// Enough octaves for 2^40 microseconds, twelve days.
    private static let bucketCount = (40 - subBits + 1) * subCount

    private var buckets = [UInt32](repeating: 0, count: bucketCount)
    private(set) var count = 0
    private(set) var maximum: UInt64 = 0
    private var sum: UInt64 = 0

    /// Counts a latency in microseconds.
    mutating func record(_ microseconds: UInt64) {
        let bucket = min(Self.bucket(of: microseconds), Self.bucketCount - 1)
        buckets[bucket] &+= 1
        count += 1
        sum &+= microseconds
        maximum = max(maximum, microseconds)
    }

    /// Takes in what another histogram counted.
    mutating func merge(_ other: LatencyHistogram) {
        for index in buckets.indices { buckets[index] &+= other.buckets[index] }
        count += other.count
        sum &+= other.sum
        maximum = max(maximum, other.maximum)
    }

    /// The latency that a part of the samples, 0...1, does not exceed, in microseconds; 0 without
    /// samples. Never below the true value, and at most 0.8 percent above it.
    func percentile(_ part: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let rank = max(1, Int((part * Double(count)).rounded(.up)))
        var seen = 0
        for (index, amount) in buckets.enumerated() {
            seen += Int(amount)
            if seen >= rank { return min(Self.highest(in: index), maximum) }
        }
        return maximum
    }

    /// The mean in microseconds.
    var mean: Double { count == 0 ? 0 : Double(sum) / Double(count) }

    private static func bucket(of value: UInt64) -> Int {
        guard value >= UInt64(2 * subCount) else { return Int(value) }
        let octave = 63 - value.leadingZeroBitCount - subBits
        return octave * subCount + Int(value >> UInt64(octave))
    }

    private static func highest(in bucket: Int) -> UInt64 {
        guard bucket >= 2 * subCount else { return UInt64(bucket) }
        let octave = bucket / subCount - 1
        let lowest = UInt64(bucket - octave * subCount) << UInt64(octave)
        return lowest + (1 << UInt64(octave)) - 1
    }
}
