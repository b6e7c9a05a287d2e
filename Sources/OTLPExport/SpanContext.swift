/// Names a trace: 16 bytes, not all zero.
package struct TraceID: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    /// Nil where every bit is zero.
    package init?(high: UInt64, low: UInt64) {
        guard high | low != 0 else { return nil }
        self.high = high
        self.low = low
    }

    /// 32 lower-case hex digits.
    package var hex: String { TraceHex.text(of: high) + TraceHex.text(of: low) }
}

/// Names a span within its trace: 8 bytes, not all zero.
package struct SpanID: Hashable, Sendable {
    package let rawValue: UInt64

    /// Nil where every bit is zero.
    package init?(rawValue: UInt64) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }

    /// 16 lower-case hex digits.
    package var hex: String { TraceHex.text(of: rawValue) }
}

/// Where a span is: what the header `traceparent` of W3C Trace Context carries from one process to the next.
package struct SpanContext: Hashable, Sendable {
    package let traceID: TraceID
    package let spanID: SpanID
    /// Whether whoever made the span records it.
    package let isSampled: Bool

    /// The header's name.
    package static let headerName = "traceparent"
    /// The length of version 00, which is the one that is written, in bytes.
    package static let byteCount = 55
    /// The longest header that is looked into, in bytes: later versions may say more than version 00.
    package static let maxByteCount = 256

    package init(traceID: TraceID, spanID: SpanID, isSampled: Bool) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
    }

    /// Reads the header; nil for what the specification has no meaning for. Of versions later than 00 the same parts are
    /// read, as it demands.
    package init?(traceParent bytes: some Collection<UInt8>) {
        guard (Self.byteCount...Self.maxByteCount).contains(bytes.count) else { return nil }
        var rest = bytes[...]
        guard let version = TraceHex.number(&rest, digits: 2), version != 0xFF, Self.dash(&rest),
            let high = TraceHex.number(&rest, digits: 16),
            let low = TraceHex.number(&rest, digits: 16),
            let traceID = TraceID(high: high, low: low), Self.dash(&rest),
            let parent = TraceHex.number(&rest, digits: 16), let spanID = SpanID(rawValue: parent),
            Self.dash(&rest), let flags = TraceHex.number(&rest, digits: 2),
            rest.isEmpty || (version != 0 && Self.dash(&rest))
        else { return nil }
        self.init(traceID: traceID, spanID: spanID, isSampled: flags & 1 == 1)
    }

    /// The header in version 00.
    package var traceParent: String {
        "00-\(traceID.hex)-\(spanID.hex)-\(isSampled ? "01" : "00")"
    }

    private static func dash<Bytes: Collection<UInt8>>(_ rest: inout Bytes) -> Bool
    where Bytes == Bytes.SubSequence {
        rest.popFirst() == UInt8(ascii: "-")
    }
}

/// Lower-case hexadecimal digits.
enum TraceHex {
    /// 16 digits.
    static func text(of number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Takes so many digits, at most 16; nil where something else is there.
    static func number<Bytes: Collection<UInt8>>(_ rest: inout Bytes, digits: Int) -> UInt64?
    where Bytes == Bytes.SubSequence {
        var number: UInt64 = 0
        for _ in 0..<digits {
            guard let byte = rest.popFirst() else { return nil }
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                number = number << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"):
                number = number << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}
