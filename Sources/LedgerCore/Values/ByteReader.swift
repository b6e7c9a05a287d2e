/// Reads big-endian integers and length-prefixed strings from bytes, front to back.
struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var index: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        index = bytes.startIndex
    }

    var remaining: Int { bytes.endIndex - index }

    /// Takes the next `count` bytes; `field` names them in the error.
    mutating func take(_ count: Int, _ field: StaticString) throws(FormatError) -> ArraySlice<UInt8>
    {
        guard count >= 0, count <= remaining else {
            throw FormatError(
                .truncated, "\(field) needs \(count) bytes where \(remaining) are left")
        }
        defer { index += count }
        return bytes[index..<index + count]
    }

    mutating func uint16(_ field: StaticString) throws(FormatError) -> UInt16 {
        UInt16(truncatingIfNeeded: try integer(2, field))
    }

    mutating func uint32(_ field: StaticString) throws(FormatError) -> UInt32 {
        UInt32(truncatingIfNeeded: try integer(4, field))
    }

    mutating func uint64(_ field: StaticString) throws(FormatError) -> UInt64 {
        try integer(8, field)
    }

    mutating func int64(_ field: StaticString) throws(FormatError) -> Int64 {
        Int64(bitPattern: try integer(8, field))
    }

    /// Takes `u32be(length) || bytes`, whose length must lie within `bounds`.
    mutating func lengthPrefixed(
        _ bounds: ClosedRange<Int>, _ field: StaticString
    ) throws(FormatError) -> ArraySlice<UInt8> {
        let count = Int(try uint32(field))
        guard bounds.contains(count) else {
            throw FormatError(
                .outOfBounds,
                "\(field) has \(count) bytes, outside \(bounds.lowerBound)...\(bounds.upperBound)")
        }
        return try take(count, field)
    }

    /// Ends reading; bytes that are left are an error.
    func finish(_ field: StaticString) throws(FormatError) {
        guard remaining == 0 else {
            throw FormatError(.trailingBytes, "\(remaining) bytes follow \(field)")
        }
    }

    private mutating func integer(
        _ width: Int, _ field: StaticString
    ) throws(FormatError) -> UInt64 {
        var value: UInt64 = 0
        for byte in try take(width, field) {
            value = value << 8 | UInt64(byte)
        }
        return value
    }
}
