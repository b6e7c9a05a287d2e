/// Reads the encoding that every protobuf library writes, field by field, in one pass. What it makes no sense of is left to
/// protobuf's own decoder.
struct ProtobufReader {
    var bytes: ArraySlice<UInt8>

    mutating func next() -> UInt8? { bytes.popFirst() }

    /// The bytes of a field with a length.
    mutating func field() -> ArraySlice<UInt8>? {
        guard let length = varint(), length <= UInt64(bytes.count) else { return nil }
        defer { bytes = bytes.dropFirst(Int(length)) }
        return bytes.prefix(Int(length))
    }

    mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 63, by: 7) {
            guard let byte = bytes.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        // The last bit of 64.
        guard let byte = bytes.popFirst(), byte <= 1 else { return nil }
        return value | UInt64(byte) << 63
    }
}
