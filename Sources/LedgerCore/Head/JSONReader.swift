/// Reads the few JSON values that the ledger stores, more strictly than JSON asks: no escapes in
/// strings, canonical integers, nothing after the value.
struct JSONReader {
    private let bytes: ArraySlice<UInt8>
    private var index: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        index = bytes.startIndex
    }

    /// Reads an object; `member` is called with each key and must read its value.
    mutating func object(
        _ member: (String, inout JSONReader) throws(FormatError) -> Void
    ) throws(FormatError) {
        try expect(UInt8(ascii: "{"))
        if take(UInt8(ascii: "}")) { return }
        repeat {
            let key = try string()
            try expect(UInt8(ascii: ":"))
            try member(key, &self)
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
    }

    /// Reads an array; `element` must read one element.
    mutating func array(
        _ element: (inout JSONReader) throws(FormatError) -> Void
    ) throws(FormatError) {
        try expect(UInt8(ascii: "["))
        if take(UInt8(ascii: "]")) { return }
        repeat {
            try element(&self)
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
    }

    /// Reads a string of printable ASCII without escapes.
    mutating func string() throws(FormatError) -> String {
        try expect(UInt8(ascii: "\""))
        let start = index
        while index < bytes.endIndex, bytes[index] != UInt8(ascii: "\"") {
            guard (0x20...0x7E).contains(bytes[index]), bytes[index] != UInt8(ascii: "\\") else {
                throw FormatError(.invalidText, "a string with escapes or other than ASCII")
            }
            index += 1
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        guard index < bytes.endIndex else { throw FormatError(.truncated, "a string has no end") }
        index += 1
        return text
    }

    /// Reads a canonical integer of 0...2^64-1.
    mutating func unsignedInteger() throws(FormatError) -> UInt64 {
        skipWhiteSpace()
        guard let value = DecimalText.canonical(digits()) else {
            throw FormatError(.notCanonical, "a number is not a canonical integer")
        }
        return value
    }

    /// Reads a canonical integer of 64 bits with a sign.
    mutating func integer() throws(FormatError) -> Int64 {
        skipWhiteSpace()
        let isNegative = index < bytes.endIndex && bytes[index] == UInt8(ascii: "-")
        if isNegative { index += 1 }
        guard let magnitude = DecimalText.canonical(digits()), !(isNegative && magnitude == 0)
        else {
            throw FormatError(.notCanonical, "a number is not a canonical integer")
        }
        let limit: UInt64 = 1 << 63
        guard isNegative ? magnitude <= limit : magnitude < limit else {
            throw FormatError(.outOfBounds, "a number has more than 64 bits")
        }
        return Int64(bitPattern: isNegative ? 0 &- magnitude : magnitude)
    }

    /// Ends reading: only white space may follow.
    mutating func finish() throws(FormatError) {
        skipWhiteSpace()
        guard index == bytes.endIndex else {
            throw FormatError(.trailingBytes, "bytes follow the JSON value")
        }
    }

    private mutating func digits() -> ArraySlice<UInt8> {
        let start = index
        while index < bytes.endIndex, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index])
        {
            index += 1
        }
        return bytes[start..<index]
    }

    private mutating func expect(_ character: UInt8) throws(FormatError) {
        guard take(character) else {
            throw FormatError(
                index == bytes.endIndex ? .truncated : .wrongFormat,
                "expected \(Character(Unicode.Scalar(character)))")
        }
    }

    private mutating func take(_ character: UInt8) -> Bool {
        skipWhiteSpace()
        guard index < bytes.endIndex, bytes[index] == character else { return false }
        index += 1
        return true
    }

    private mutating func skipWhiteSpace() {
        while index < bytes.endIndex, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) {
            index += 1
        }
    }
}
