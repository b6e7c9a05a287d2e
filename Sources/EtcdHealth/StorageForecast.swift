/// Says from the growth of the last hour when a size will be reached.
///
/// Pure: time comes in as a value.
struct StorageForecast: Sendable {
    /// As far back growth counts.
    static let span = Duration.seconds(3_600)
    /// Two samples that count are at least so far apart, which bounds their number to 360.
    static let spacing = Duration.seconds(10)

    private var samples: [(at: ContinuousClock.Instant, bytes: Int64)] = []
    private var newest: (at: ContinuousClock.Instant, bytes: Int64)?

    /// Takes a size that was measured later than those before.
    mutating func add(_ bytes: Int64, at now: ContinuousClock.Instant) {
        // It was compacted and defragmented: how it grew before says nothing of when it is full.
        if let newest, bytes < newest.bytes { samples = [] }
        newest = (now, bytes)
        if let last = samples.last, last.at.duration(to: now) < Self.spacing { return }
        samples.append((now, bytes))
        samples.removeAll { $0.at.duration(to: now) > Self.span }
    }

    /// Bytes a second; nil where there is nothing to compare yet.
    var growth: Double? {
        guard let newest, let oldest = samples.first else { return nil }
        let seconds = oldest.at.duration(to: newest.at) / .seconds(1)
        // Less is chance: a database grows page by page.
        guard seconds >= 1 else { return nil }
        return Double(newest.bytes - oldest.bytes) / seconds
    }

    /// In how many seconds the size reaches `limit`: 0 where it has, nil where it does not grow.
    func seconds(until limit: Int64) -> Double? {
        guard let newest else { return nil }
        if newest.bytes >= limit { return 0 }
        guard let growth, growth > 0 else { return nil }
        return Double(limit - newest.bytes) / growth
    }
}
