/// What was measured: latencies, and what became of the events.
struct BenchTally: Sendable {
    /// From handing over an event, or from when that was due, to its answer.
    var latency = LatencyHistogram()

    /// What the service says about its own share, in milliseconds.
    var commitLatency = LatencyHistogram()

    /// How often each outcome came, by its name.
    var outcomes: [String: Int] = [:]

    /// Events sealed later than the contract allows.
    var contractViolations = 0

    private var sealed = 0

    /// All events that have an outcome.
    var total: Int { sealed + outcomes.values.reduce(0, +) }

    /// The outcomes, those that were sealed among them.
    var allOutcomes: [String: Int] {
        sealed == 0 ? outcomes : outcomes.merging(["sealed": sealed]) { $1 }
    }

    /// The number of sealed events.
    var sealedCount: Int { sealed }

    /// Counts a sealed event.
    mutating func recordSealed(
        microseconds: UInt64, commitLatencyMs: Int64, contractMs: Int64
    ) {
        sealed += 1
        latency.record(microseconds)
        commitLatency.record(UInt64(clamping: commitLatencyMs))
        if commitLatencyMs > contractMs { contractViolations += 1 }
    }

    /// Counts an event that was not sealed, or whose fate is unknown.
    mutating func record(_ outcome: String, microseconds: UInt64) {
        outcomes[outcome, default: 0] += 1
        latency.record(microseconds)
    }

    /// Counts an event that got no answer at all, and has no latency.
    mutating func recordUnanswered(_ count: Int) {
        if count > 0 { outcomes["unanswered", default: 0] += count }
    }

    /// Counts events whose connection broke, which says nothing about the latency of answers.
    mutating func recordLost(_ count: Int) {
        if count > 0 { outcomes["connection_lost", default: 0] += count }
    }

    /// Takes in what another tally counted.
    mutating func merge(_ other: BenchTally) {
        latency.merge(other.latency)
        commitLatency.merge(other.commitLatency)
        outcomes.merge(other.outcomes, uniquingKeysWith: +)
        contractViolations += other.contractViolations
        sealed += other.sealed
    }
}
