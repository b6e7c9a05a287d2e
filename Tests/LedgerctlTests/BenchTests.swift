import Foundation
import GRPCCore
import GRPCProtobuf
import LedgerAPI
import LedgerClient
import NIOCore
import NIOHPACK
import SwiftProtobuf
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

@Suite("The load generator's own gRPC")
struct LeanLoadTests {
    private let judge = BenchJudge(service: "s", checksHashes: false)

    private static func name(_ outcome: BenchJudge.Outcome) -> String {
        switch outcome {
        case .sealed(let latency): "sealed in \(latency) ms"
        case .other(let name): name
        case .lost: "lost"
        case .unanswered: "unanswered"
        }
    }

    private func sealed(_ event: Ledger_SealedEvent, _ id: String = "id") throws -> String {
        let bytes: [UInt8] = try event.serializedBytes()
        return Self.name(judge.sealed(ByteBuffer(bytes: bytes), as: Array(id.utf8)))
    }

    private func result(_ result: Ledger_SubmitResult) throws -> String {
        let bytes: [UInt8] = try result.serializedBytes()
        return Self.name(judge.result(ByteBuffer(bytes: bytes), for: Array("id".utf8)))
    }

    private static let event = Ledger_SealedEvent.with {
        $0.sequenceNumber = 300
        $0.eventID = "id"
        $0.payload = .init([8, 2, 18])
        $0.eventHash = "00"
        $0.sealedTimestamp = 1 << 41
        $0.commitLatencyMs = 7
        $0.metadata = ["key": "value"]
    }

    @Test("what is sent is the event as protobuf and gRPC write it")
    func written() throws {
        let run = BenchRun(plan: BenchPlan(addresses: [ServerAddress(host: "h")]))
        let template = run.nextEvent()
        let id = run.nextID()
        var bytes = ByteBuffer()
        run.write(id, to: &bytes)
        run.write(run.nextID(), to: &bytes)
        let message = try #require(LeanConnection.message(from: &bytes))
        let event = try Ledger_CertifiedEvent(serializedBytes: Array(message.readableBytesView))
        var expected = template
        expected.eventID = String(decoding: id, as: UTF8.self)
        #expect(event == expected)
        #expect(event.eventID != template.eventID)
        #expect(LeanConnection.message(from: &bytes) != nil)
        #expect(bytes.readableBytes == 0)
    }

    @Test("a message is taken out when it is whole")
    func framing() {
        var bytes = ByteBuffer(bytes: [0, 0, 0, 0, 2, 7])
        #expect(LeanConnection.message(from: &bytes) == nil)
        bytes.writeBytes([8, 0, 0])
        #expect(LeanConnection.message(from: &bytes) == ByteBuffer(bytes: [7, 8]))
        #expect(LeanConnection.message(from: &bytes) == nil)
        #expect(bytes.readableBytes == 2)
    }

    @Test("a sealed event counts where it has a number and the id that was submitted")
    func judged() throws {
        #expect(try sealed(Self.event) == "sealed in 7 ms")
        #expect(try sealed(Self.event, "ie") == "corrupt")
        var event = Self.event
        event.sequenceNumber = 0
        #expect(try sealed(event) == "corrupt")
        #expect(Self.name(judge.sealed(ByteBuffer(bytes: [8]), as: [])) == "corrupt")
        // Where hashes are checked, this one is wrong.
        let strict = BenchJudge(service: "s", checksHashes: true)
        let bytes: [UInt8] = try Self.event.serializedBytes()
        let outcome = strict.sealed(ByteBuffer(bytes: bytes), as: Array("id".utf8))
        #expect(Self.name(outcome) == "corrupt")
    }

    @Test("an answer of a stream is judged as that of a call")
    func results() throws {
        #expect(try result(.with { $0.sealed = Self.event }) == "sealed in 7 ms")
        #expect(try result(.init()) == "outcome_unknown")
        let rejection = Ledger_Rejection.with {
            $0.code = 8
            $0.reason = "OVERLOADED"
        }
        #expect(try result(.with { $0.rejection = rejection }) == "overloaded")
    }

    @Test("the trailers say how a call ended")
    func status() throws {
        #expect(LeanConnection.status(["grpc-status": "0"]) == nil)
        let refused = LedgerErrorTrailers.overloaded
        #expect(
            Self.name(judge.outcome(try #require(LeanConnection.status(refused)))) == "overloaded")
        let unavailable = try #require(LeanConnection.status(["grpc-status": "14"]))
        #expect(Self.name(judge.outcome(unavailable)) == "lost")
        let none = try #require(LeanConnection.status([":status": "502"]))
        #expect(none.message.contains("502"))
        #expect(Self.name(judge.outcome(none)) == "outcome_unknown")
    }
}

/// Trailers as a service writes them.
private enum LedgerErrorTrailers {
    /// RESOURCE_EXHAUSTED with an ErrorInfo of domain `ledger` and reason `OVERLOADED`.
    static let overloaded: HPACKHeaders = [
        "grpc-status": "8", "grpc-message": "later", "grpc-status-details-bin": details,
    ]

    private static let details: String = {
        let status = GoogleRPCStatus(
            code: .resourceExhausted, message: "later",
            details: [.errorInfo(reason: "OVERLOADED", domain: "ledger", metadata: [:])])
        let bytes: [UInt8] = (try? status.serializedBytes()) ?? []
        return Data(bytes).base64EncodedString()
    }()
}
