/// How long a caller waits for its call, as the header `grpc-timeout` says it.
///
/// The form is the gRPC protocol's over HTTP/2: one to eight ASCII digits and a unit, `H`, `M`, `S`, `m`, `u` or `n`, and
/// nothing else. The check is strict and touches nothing but bytes, so that it can stand in front of the gRPC library,
/// which ends the process over some of the values that are not of this form (`-1S`).
package enum GRPCTimeout: Hashable, Sendable {
    /// There is no such header: the caller waits for as long as it takes.
    case absent
    /// So long; at least 0, and at most 99,999,999 hours, which a `Duration` holds with ease and a count of
    /// nanoseconds in 64 bits does not.
    case valid(Duration)
    /// A sign, a blank, too many digits or none, other digits than ASCII's, no unit or another one.
    case malformed

    /// The header's name, as HTTP/2 writes it.
    package static let headerName = "grpc-timeout"

    private static let maxDigits = 8

    /// Reads the bytes of the header's value; nil where the header is absent.
    package static func parse(_ bytes: (some Collection<UInt8>)?) -> GRPCTimeout {
        guard let bytes else { return .absent }
        guard (2...maxDigits + 1).contains(bytes.count) else { return .malformed }
        var amount: Int64 = 0
        for byte in bytes.dropLast() {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return .malformed }
            amount = amount * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        for byte in bytes.suffix(1) {
            guard let timeout = duration(amount, unit: byte) else { return .malformed }
            return .valid(timeout)
        }
        return .malformed
    }

    /// Reads all values of the header; more than one is malformed.
    package static func parse(values: some Collection<String>) -> GRPCTimeout {
        guard values.count < 2 else { return .malformed }
        return parse(values.first?.utf8)
    }

    /// Nil for a unit that is none.
    private static func duration(_ amount: Int64, unit: UInt8) -> Duration? {
        switch unit {
        case UInt8(ascii: "H"): .seconds(amount * 3_600)
        case UInt8(ascii: "M"): .seconds(amount * 60)
        case UInt8(ascii: "S"): .seconds(amount)
        case UInt8(ascii: "m"): .milliseconds(amount)
        case UInt8(ascii: "u"): .microseconds(amount)
        case UInt8(ascii: "n"): .nanoseconds(amount)
        default: nil
        }
    }
}
