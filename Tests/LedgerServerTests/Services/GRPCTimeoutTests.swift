import LedgerServer
import Testing

@Suite("GRPCTimeout")
struct GRPCTimeoutTests {
    @Test(
        "reads digits and a unit",
        arguments: [
            ("0n", .zero), ("1n", .nanoseconds(1)), ("50m", .milliseconds(50)),
            ("007S", .seconds(7)), ("2u", .microseconds(2)), ("3M", .seconds(180)),
            // What grpc-go sends for its largest duration: more nanoseconds than 64 bits count.
            ("2562048H", .seconds(2_562_048 * 3_600)),
            ("99999999H", .seconds(99_999_999 * 3_600)),
        ] as [(String, Duration)])
    func valid(text: String, expected: Duration) {
        #expect(GRPCTimeout.parse(text.utf8) == .valid(expected))
        #expect(GRPCTimeout.parse(values: [text]) == .valid(expected))
    }

    @Test(
        "takes nothing else",
        arguments: [
            "", "S", "1", "-1S", "+1S", "-0S", " 1S", "1S ", "1 S", "1\tS", "123456789S",
            "000000001S", "1s", "1h", "1X", "1.5S", "1e3S", "0x1S", "1SS", "S1", "1,2S", "1S,2S",
            "\u{661}S", "\u{FF11}S", "1\u{0}", "\u{0}S", "1S\u{0}", "1S\u{301}", "nan", "--1S",
        ])
    func malformed(text: String) {
        #expect(GRPCTimeout.parse(text.utf8) == .malformed)
        #expect(GRPCTimeout.parse(values: [text]) == .malformed)
    }

    @Test("takes no bytes that are not ASCII")
    func bytes() {
        for byte in UInt8(0x80)...UInt8(0xFF) {
            #expect(GRPCTimeout.parse([byte, UInt8(ascii: "S")]) == .malformed)
            #expect(GRPCTimeout.parse([UInt8(ascii: "1"), byte]) == .malformed)
        }
    }

    @Test("tells an absent header from a repeated one")
    func absent() {
        #expect(GRPCTimeout.parse([UInt8]?.none) == .absent)
        #expect(GRPCTimeout.parse(values: [String]()) == .absent)
        #expect(GRPCTimeout.parse(values: ["1S", "1S"]) == .malformed)
    }
}
