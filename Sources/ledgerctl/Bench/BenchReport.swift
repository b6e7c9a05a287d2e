internal import LedgerClient

/// The result of a run, for people and for programs.
struct BenchReport: Encodable, Sendable {
    struct Latency: Encodable, Sendable {
        let mean: Double
        let p50: Double
        let p90: Double
        let p99: Double
        let p999: Double
        let max: Double

        private enum CodingKeys: String, CodingKey {
            case mean, p50, p90, p99, max
            case p999 = "p99_9"
        }

        /// - Parameter unit: How many of the histogram's units are a millisecond.
        init(_ histogram: LatencyHistogram, unit: Double) {
            mean = (histogram.mean / unit * 1000).rounded() / 1000
            p50 = Double(histogram.percentile(0.5)) / unit
            p90 = Double(histogram.percentile(0.9)) / unit
            p99 = Double(histogram.percentile(0.99)) / unit
            p999 = Double(histogram.percentile(0.999)) / unit
            max = Double(histogram.maximum) / unit
        }
    }

    let mode: String
    let generator: String
    let servers: Int
    let connections: Int
    let inFlight: Int
    let window: Int?
    let rate: Double?
    let payloadBytes: Int
    let warmupS: Double
    let durationS: Double
    let events: Int
    let eventsPerSecond: Double
    let latencyMs: Latency
    let commitLatencyMs: Latency
    let outcomes: [String: Int]
    let contractViolations: Int
    let clientCpuSeconds: Double
    let clientCpuUsPerEvent: Double
    /// How often the open loop had to wait for the cap of unanswered events.
    let capWaits: Int?
    let failure: String?

    init(
        plan: BenchPlan, tally: BenchTally, seconds: Double, cpuSeconds: Double, capWaits: Int?,
        failure: String?
    ) {
        mode = plan.mode.rawValue
        generator = plan.generator.rawValue
        servers = plan.addresses.count
        connections = plan.connections.count
        inFlight = plan.mode == .openLoop ? plan.openLoopCap : plan.inFlight
        window = plan.mode == .stream ? plan.window : nil
        rate = plan.mode == .openLoop ? plan.rate : nil
        payloadBytes = plan.payloadBytes
        warmupS = plan.warmupSeconds
        durationS = (seconds * 1000).rounded() / 1000
        events = tally.total
        let perSecond = seconds > 0 ? Double(tally.sealedCount) / seconds : 0
        eventsPerSecond = (perSecond * 10).rounded() / 10
        latencyMs = Latency(tally.latency, unit: 1000)
        commitLatencyMs = Latency(tally.commitLatency, unit: 1)
        outcomes = tally.allOutcomes
        contractViolations = tally.contractViolations
        clientCpuSeconds = (cpuSeconds * 1000).rounded() / 1000
        let perEvent = tally.total > 0 ? cpuSeconds * 1e6 / Double(tally.total) : 0
        clientCpuUsPerEvent = (perEvent * 10).rounded() / 10
        self.capWaits = capWaits
        self.failure = failure
    }

    /// The table for people.
    var text: String {
        var fields = [
            ("mode", loadText),
            ("payload", "\(payloadBytes) bytes"),
            ("measured", "\(durationS) s after \(warmupS) s of warm-up"),
            ("events", "\(events)"),
            ("sealed/s", "\(eventsPerSecond)"),
            ("latency ms", Self.text(latencyMs)),
            ("commit ms", Self.text(commitLatencyMs) + "  (says the service)"),
        ]
        for (name, count) in outcomes.sorted(by: { $0.value > $1.value }) {
            fields.append(("  " + name, "\(count)"))
        }
        fields.append(("over 50 ms", "\(contractViolations)"))
        fields.append(
            ("client CPU", "\(clientCpuSeconds) s, \(clientCpuUsPerEvent) us an event"))
        if let capWaits, capWaits > 0 {
            fields.append(("cap reached", "\(capWaits) times: more than \(inFlight) unanswered"))
        }
        if let failure { fields.append(("failure", Printable.escape(failure))) }
        return EventText.table(fields)
    }

    private var loadText: String {
        var over = connections == 1 ? "1 connection" : "\(connections) connections"
        over = "\(generator), \(over)"
        if servers > 1 { over += " to \(servers) servers" }
        if let rate { return "\(mode), \(rate) events/s over \(over)" }
        if let window { return "\(mode), \(inFlight) streams, window \(window), over \(over)" }
        return "\(mode), \(inFlight) callers over \(over)"
    }

    private static func text(_ latency: Latency) -> String {
        "p50 \(latency.p50)  p90 \(latency.p90)  p99 \(latency.p99)  p99.9 \(latency.p999)"
            + "  max \(latency.max)"
    }
}
