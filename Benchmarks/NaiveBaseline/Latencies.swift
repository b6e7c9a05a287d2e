/// Latencies of events, each kept: one event at a time never makes many.
struct Latencies {
    private var microseconds: [Int64] = []

    var count: Int { microseconds.count }

    mutating func record(_ latency: Duration) {
        let (seconds, attoseconds) = latency.components
        microseconds.append(seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    }

    /// How many took longer than this many milliseconds.
    func count(above milliseconds: Int64) -> Int {
        microseconds.count { $0 > milliseconds * 1000 }
    }

    /// The mean, the highest, and what a part of the events did not exceed, in milliseconds.
    var summary: BaselineReport.Latency {
        let sorted = microseconds.sorted()
        func percentile(_ part: Double) -> Double {
            guard !sorted.isEmpty else { return 0 }
            let rank = max(1, Int((part * Double(sorted.count)).rounded(.up)))
            return Double(sorted[rank - 1]) / 1000
        }
        let mean = sorted.isEmpty ? 0 : sorted.reduce(0, +) / Int64(sorted.count)
        return BaselineReport.Latency(
            mean: Double(mean) / 1000, p50: percentile(0.5), p90: percentile(0.9),
            p99: percentile(0.99), p999: percentile(0.999), max: percentile(1))
    }
}
