import Testing

@testable import OTLPExport

@Suite("Where a span is, by W3C Trace Context")
struct SpanContextTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let parent = "b7ad6b7169203331"

    @Test(
        "the specification's example is read, and written again",
        arguments: [("01", true), ("00", false), ("03", true), ("fe", false)])
    func valid(flags: String, isSampled: Bool) throws {
        let text = "00-\(Self.trace)-\(Self.parent)-\(flags)"
        let context = try #require(SpanContext(traceParent: text.utf8))
        #expect(context.traceID.hex == Self.trace)
        #expect(context.spanID.hex == Self.parent)
        #expect(context.isSampled == isSampled)
        let written = "00-\(Self.trace)-\(Self.parent)-\(isSampled ? "01" : "00")"
        #expect(context.traceParent == written)
        #expect(written.utf8.count == SpanContext.byteCount)
    }

    @Test("ids keep their leading zeros")
    func leadingZeros() throws {
        let text = "00-0000000000000000000000000000000a-000000000000000b-01"
        #expect(try #require(SpanContext(traceParent: text.utf8)).traceParent == text)
    }

    @Test("of later versions the same parts are read")
    func later() {
        for tail in ["", "-", "-what-else"] {
            let text = "cc-\(Self.trace)-\(Self.parent)-01\(tail)"
            #expect(SpanContext(traceParent: text.utf8) != nil)
        }
    }

    @Test(
        "what has no meaning is none",
        arguments: [
            "", "00", "00-\(trace)-\(parent)", "00-\(trace)-\(parent)-01-more",
            "00-\(trace)-\(parent)-01-", "ff-\(trace)-\(parent)-01", "0-\(trace)-\(parent)-01",
            "00-\(String(repeating: "0", count: 32))-\(parent)-01",
            "00-\(trace)-0000000000000000-01", "00-\(trace.uppercased())-\(parent)-01",
            "FE-\(trace)-\(parent)-01", "00-\(trace)0-\(parent)-01", "00-\(trace)-\(parent)-1",
            "00-\(trace)-\(parent)-0g", "00-\(trace)-\(parent)-01\n",
            " 00-\(trace)-\(parent)-01", "00_\(trace)_\(parent)_01",
            "00-\(trace.dropLast())\u{e9}-\(parent)-01", "cc-\(trace)-\(parent)-01more",
            "cc-\(trace)-\(parent)-01-" + String(repeating: "a", count: 300),
            String(repeating: "0", count: 55), String(repeating: "-", count: 55),
        ])
    func invalid(text: String) {
        #expect(SpanContext(traceParent: text.utf8) == nil)
    }

    @Test("whatever is changed in one byte is read as what it is, or not at all")
    func damaged() {
        let text = Array("00-\(Self.trace)-\(Self.parent)-01".utf8)
        for place in text.indices {
            for byte in UInt8.min...UInt8.max {
                var bytes = text
                bytes[place] = byte
                guard let context = SpanContext(traceParent: bytes) else { continue }
                // The version and the flags but one bit are not kept.
                #expect(Array(context.traceParent.utf8)[3..<53] == bytes[3..<53])
            }
        }
    }
}

@Suite("Which traces are recorded")
struct SamplerTests {
    private static let trace = TraceID(high: 1, low: 1 << 63 | 5)
    private static let parent = SpanID(rawValue: 7)

    private func parent(isSampled: Bool) throws -> SpanContext {
        SpanContext(
            traceID: try #require(Self.trace), spanID: try #require(Self.parent),
            isSampled: isSampled)
    }

    @Test("the names of OpenTelemetry, and what they mean", arguments: Sampler.names)
    func names(name: String) throws {
        let sampler = try #require(Sampler(named: name, ratio: 0))
        #expect(sampler.name == name)
        let trace = try #require(Self.trace)
        let isOn = name.hasSuffix("always_on")
        #expect(sampler.samples(trace, parent: nil) == isOn)
        let isParentBased = name.hasPrefix("parentbased_")
        for isSampled in [true, false] {
            let sampled = sampler.samples(trace, parent: try parent(isSampled: isSampled))
            #expect(sampled == (isParentBased ? isSampled : isOn))
        }
    }

    @Test("what is no sampler is none", arguments: ["", "on", "jaeger_remote", "parentbased_"])
    func unknown(name: String) {
        #expect(Sampler(named: name, ratio: 1) == nil)
    }

    @Test("a part of all traces is chosen by the ids alone", arguments: [0, 0.1, 0.5, 1])
    func ratio(part: Double) throws {
        let sampler = try #require(Sampler(named: "traceidratio", ratio: part))
        var random = SystemRandomNumberGenerator()
        var sampled = 0
        for _ in 0..<10_000 {
            let trace = try #require(TraceID(high: random.next(), low: random.next() | 1))
            let decision = sampler.samples(trace, parent: nil)
            #expect(sampler.samples(trace, parent: try parent(isSampled: true)) == decision)
            sampled += decision ? 1 : 0
        }
        // Five standard deviations at most.
        #expect(abs(Double(sampled) - 10_000 * part) <= 250)
        if part == 0 || part == 1 { #expect(sampled == Int(10_000 * part)) }
    }
}
