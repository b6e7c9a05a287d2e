import LedgerAPI
import LedgerClient
import TestSupport
import Testing

@testable import ledgerctl

@Suite("The load generator's numbers")
struct BenchTests {
    @Test("Percentiles of a thousand known values")
    func knownValues() {
        var histogram = LatencyHistogram()
        for value in 1...1000 { histogram.record(UInt64(value)) }
        #expect(histogram.count == 1000)
        #expect(histogram.mean == 500.5)
        #expect(histogram.maximum == 1000)
        #expect((500...504).contains(histogram.percentile(0.5)))
        #expect((990...998).contains(histogram.percentile(0.99)))
        #expect(histogram.percentile(1) == 1000)
        #expect(histogram.percentile(0) == 1)
    }

    @Test("Up to 255 microseconds values are exact")
    func exactValues() {
        for value in 0...255 {
            var histogram = LatencyHistogram()
            histogram.record(UInt64(value))
            histogram.record(10_000)
            #expect(histogram.percentile(0.5) == UInt64(value))
        }
    }

    @Test("A percentile is never below the true value, and at most 0.8 percent above it")
    func error() {
        var generator = ReplayableRandom()
        print(generator.note)
        var histogram = LatencyHistogram()
        var values: [UInt64] = []
        for _ in 0..<20_000 {
            let magnitude = UInt64.random(in: 1...34, using: &generator)
            let value = UInt64.random(in: 0..<(1 << magnitude), using: &generator)
            histogram.record(value)
            values.append(value)
        }
        values.sort()
        for part in [0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1] {
            let rank = max(1, Int((part * Double(values.count)).rounded(.up)))
            let truth = values[rank - 1]
            let found = histogram.percentile(part)
            #expect(found >= truth)
            #expect(Double(found) <= Double(truth) * 1.008 + 1)
        }
    }

    @Test("Enormous values are counted, not trapped on")
    func enormousValues() {
        var histogram = LatencyHistogram()
        histogram.record(.max)
        histogram.record(1)
        #expect(histogram.maximum == .max)
        #expect(histogram.percentile(0.5) == 1)
        #expect(histogram.count == 2)
    }

    @Test("Merged histograms are one")
    func merging() {
        var all = LatencyHistogram()
        var parts = [LatencyHistogram(), LatencyHistogram()]
        for value in 0..<5_000 {
            all.record(UInt64(value * 7))
            parts[value % 2].record(UInt64(value * 7))
        }
        parts[0].merge(parts[1])
        #expect(parts[0] == all)
    }

    @Test("A histogram without samples has zeros")
    func empty() {
        #expect(LatencyHistogram().percentile(0.99) == 0)
        #expect(LatencyHistogram().mean == 0)
    }

    @Test("A report counts outcomes, violations and the rate of sealed events")
    func report() throws {
        var tally = BenchTally()
        for latency in [10, 50, 51] {
            tally.recordSealed(
                microseconds: UInt64(latency * 1000), commitLatencyMs: Int64(latency),
                contractMs: 50)
        }
        tally.record("overloaded", microseconds: 1_000)
        tally.recordUnanswered(2)
        tally.recordLost(3)
        let plan = BenchPlan(addresses: [ServerAddress(host: "h")])
        let report = BenchReport(
            plan: plan, tally: tally, seconds: 2, cpuSeconds: 0.6, capWaits: nil, failure: nil)
        #expect(report.events == 9)
        #expect(report.eventsPerSecond == 1.5)
        #expect(report.contractViolations == 1)
        #expect(
            report.outcomes == [
                "sealed": 3, "overloaded": 1, "unanswered": 2, "connection_lost": 3,
            ])
        #expect(report.clientCpuUsPerEvent == 66_666.7)
        #expect(report.latencyMs.max == 51)
        let json = try JSONLine.encode(report)
        #expect(json.contains("\"p99_9\":51"))
        #expect(json.contains("\"events_per_second\":1.5"))
        #expect(json.contains("\"contract_violations\":1"))
        #expect(report.text.contains("sealed/s"))
    }

    @Test("A run gives every event its own id, and measures as many as it was told")
    func run() {
        var plan = BenchPlan(addresses: [ServerAddress(host: "h")])
        plan.warmupSeconds = 0
        plan.durationSeconds = 60
        plan.events = 3
        let run = BenchRun(plan: plan)
        let ids = Set((0..<100).map { _ in run.nextEvent().eventID })
        #expect(ids.count == 100)
        #expect(run.nextEvent().payload.count == 256)
        #expect(!run.isMeasured(beganAt: 0))
        #expect(run.mayGoOn)
        #expect((0..<3).allSatisfy { _ in run.isMeasured(beganAt: .max) })
        #expect(!run.mayGoOn)
        #expect(!run.isMeasured(beganAt: .max))
    }
}
