/// The trace that a call belongs to: the header `traceparent` of W3C Trace Context.
package struct TraceParent: Sendable, Hashable {
    /// 32 lower-case hex digits, not all zero.
    package let traceID: String
    /// 16 lower-case hex digits, not all zero: the caller's span.
    package let parentID: String
    /// Whether the caller records this trace.
    package let isSampled: Bool

    /// Reads the header; nil for what the specification has no meaning for. Of versions later than 00 the same parts are
    /// read, as it demands.
    package init?(_ text: String?) {
        guard let text, text.utf8.count >= 55 else { return nil }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, let version = Self.hex(parts[0], count: 2), version != "ff",
            version != "00" || parts.count == 4,
            let trace = Self.hex(parts[1], count: 32), trace.contains(where: { $0 != "0" }),
            let parent = Self.hex(parts[2], count: 16), parent.contains(where: { $0 != "0" }),
            let flags = Self.hex(parts[3], count: 2), let bits = UInt8(flags, radix: 16)
        else { return nil }
        traceID = trace
        parentID = parent
        isSampled = bits & 1 == 1
    }

    private static func hex(_ text: Substring, count: Int) -> String? {
        let isHex = text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
        return text.utf8.count == count && isHex ? String(text) : nil
    }
}
