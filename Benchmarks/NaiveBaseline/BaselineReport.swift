internal import Foundation

/// The result in the shape of `ledgerctl bench --output json`.
struct BaselineReport: Encodable {
    struct Latency: Encodable {
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
    }

    /// The ledger's commit contract in milliseconds, which the baseline does not promise.
    private static let contractMs: Int64 = 50

    let mode = "naive"
    let connections = 1
    let inFlight = 1
    let payloadBytes: Int
    let warmupS: Double
    let durationS: Double
    let events: Int
    let eventsPerSecond: Double
    let latencyMs: Latency
    /// The same: caller and service are one.
    let commitLatencyMs: Latency
    let outcomes: [String: Int]
    let contractViolations: Int
    let clientCpuSeconds: Double
    let clientCpuUsPerEvent: Double

    init(
        latencies: Latencies, lostRaces: Int, payloadBytes: Int, warmup: Double,
        duration: Duration, cpuSeconds: Double
    ) {
        let seconds = duration / .seconds(1)
        self.payloadBytes = payloadBytes
        warmupS = warmup
        durationS = Self.rounded(seconds, 1000)
        events = latencies.count + lostRaces
        eventsPerSecond = Self.rounded(Double(latencies.count) / seconds, 10)
        latencyMs = latencies.summary
        commitLatencyMs = latencyMs
        outcomes = ["sealed": latencies.count, "lost_race": lostRaces].filter { $0.value > 0 }
        contractViolations = latencies.count(above: Self.contractMs)
        clientCpuSeconds = Self.rounded(cpuSeconds, 1000)
        clientCpuUsPerEvent =
            latencies.count == 0 ? 0 : Self.rounded(cpuSeconds * 1e6 / Double(latencies.count), 10)
    }

    /// One line of JSON.
    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    private static func rounded(_ value: Double, _ parts: Double) -> Double {
        (value * parts).rounded() / parts
    }
}
