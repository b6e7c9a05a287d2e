import Testing

@testable import LedgerServer

@Suite("traceparent, of W3C Trace Context")
struct TraceParentTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let parent = "b7ad6b7169203331"

    @Test(
        "the specification's example is read",
        arguments: [("01", true), ("00", false), ("03", true)])
    func valid(flags: String, isSampled: Bool) throws {
        let context = try #require(TraceParent("00-\(Self.trace)-\(Self.parent)-\(flags)"))
        #expect(context.traceID == Self.trace)
        #expect(context.parentID == Self.parent)
        #expect(context.isSampled == isSampled)
    }

    @Test("of later versions the same parts are read")
    func later() {
        #expect(TraceParent("cc-\(Self.trace)-\(Self.parent)-01-what-else") != nil)
        #expect(TraceParent("cc-\(Self.trace)-\(Self.parent)-01") != nil)
    }

    @Test(
        "what has no meaning is none",
        arguments: [
            "", "00", "00-\(trace)-\(parent)", "00-\(trace)-\(parent)-01-more",
            "ff-\(trace)-\(parent)-01", "0-\(trace)-\(parent)-01",
            "00-\(String(repeating: "0", count: 32))-\(parent)-01",
            "00-\(trace)-0000000000000000-01", "00-\(trace.uppercased())-\(parent)-01",
            "00-\(trace)0-\(parent)-01", "00-\(trace)-\(parent)-1", "00-\(trace)-\(parent)-0g",
            "00-\(trace)-\(parent)-01\n", " 00-\(trace)-\(parent)-01",
            "00-\(trace.dropLast())\u{e9}-\(parent)-01",
        ])
    func invalid(text: String) {
        #expect(TraceParent(text) == nil)
    }

    @Test("no header is no trace")
    func absent() {
        #expect(TraceParent(nil) == nil)
    }
}
