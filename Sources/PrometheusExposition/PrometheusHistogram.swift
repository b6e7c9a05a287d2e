import Synchronization

/// Counts of observed values in fixed buckets.
package final class PrometheusHistogram: Sendable {
    /// One consistent reading.
    package struct Snapshot: Sendable, Equatable {
        /// How many values were at most each bound, cumulative, without the last `+Inf`.
        package let cumulativeCounts: [UInt64]
        /// How many values there were.
        package let count: UInt64
        /// Their sum.
        package let sum: Double
    }

    private struct State {
        var counts: [UInt64]
        var count: UInt64 = 0
        var sum = 0.0
    }

    /// The upper bounds, ascending; `+Inf` is not among them.
    package let bounds: [Double]
    // Count, sum and bucket must agree in a scrape, so one short lock instead of three atomics.
    private let state: Mutex<State>

    /// Makes a histogram that belongs to no registry yet; the bounds are sorted.
    package init(bounds: [Double]) {
        self.bounds = Set(bounds.filter(\.isFinite)).sorted()
        state = Mutex(State(counts: Array(repeating: 0, count: self.bounds.count)))
    }

    /// Observes one value; what is not a number is dropped, for it would spoil the sum for ever.
    package func observe(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = bounds.firstIndex { value <= $0 }
        state.withLock { state in
            if let bucket {
                state.counts[bucket] += 1
            }
            state.count += 1
            state.sum += value
        }
    }

    /// Observes several values at once; those that are no numbers are dropped.
    package func observe(contentsOf values: some Sequence<Double>) {
        let values = values.filter(\.isFinite)
        let buckets = values.map { value in bounds.firstIndex { value <= $0 } }
        state.withLock { state in
            for (value, bucket) in zip(values, buckets) {
                if let bucket { state.counts[bucket] += 1 }
                state.sum += value
            }
            state.count += UInt64(values.count)
        }
    }

    /// Observes a duration in seconds.
    package func observe(_ duration: Duration) {
        observe(duration / .seconds(1))
    }

    /// What has been observed so far.
    package var snapshot: Snapshot {
        let state = state.withLock { $0 }
        var cumulative = state.counts
        for index in cumulative.indices.dropFirst() {
            cumulative[index] += cumulative[index - 1]
        }
        return Snapshot(cumulativeCounts: cumulative, count: state.count, sum: state.sum)
    }
}
