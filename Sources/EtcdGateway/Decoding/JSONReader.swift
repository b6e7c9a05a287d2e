import Glibc

/// Why bytes are not the JSON that was expected.
struct JSONFailure: Error, Hashable {
    /// Where, in bytes from the start.
    var offset: Int
    var reason: String
}

/// Reads JSON (RFC 8259) strictly and once, front to back.
///
/// Made for answers that are mostly base64: a string of it is found by its closing quote and
/// decoded straight into its bytes. Known fields are read by type; unknown ones are skipped, but
/// must be well-formed. A field that comes twice is an error, for two readers might then see two
/// different answers.
struct JSONReader {
    private let bytes: [UInt8]
    private var position = 0

    /// No answer of etcd's is nested deeper than six levels.
    private static let maximumDepth = 32

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Reads an object, calling `field` with each name; `field` must read the value.
    mutating func object(
        _ field: (String, inout JSONReader) throws(JSONFailure) -> Void
    ) throws(JSONFailure) {
        try expect(UInt8(ascii: "{"), "an object is expected")
        skipSpace()
        if take(UInt8(ascii: "}")) { return }
        var names: [String] = []
        while true {
            skipSpace()
            let name = try string()
            guard !names.contains(name) else { throw failure("a field comes twice") }
            names.append(name)
            skipSpace()
            try expect(UInt8(ascii: ":"), "a colon is expected")
            try field(name, &self)
            skipSpace()
            if take(UInt8(ascii: "}")) { return }
            try expect(UInt8(ascii: ","), "a comma or the end of the object is expected")
        }
    }

    /// Reads an array, calling `element` once for each element; it must read the element.
    mutating func array(
        _ element: (inout JSONReader) throws(JSONFailure) -> Void
    ) throws(JSONFailure) {
        try expect(UInt8(ascii: "["), "an array is expected")
        skipSpace()
        if take(UInt8(ascii: "]")) { return }
        while true {
            try element(&self)
            skipSpace()
            if take(UInt8(ascii: "]")) { return }
            try expect(UInt8(ascii: ","), "a comma or the end of the array is expected")
        }
    }

    /// Reads a 64-bit integer, which comes as a string of decimal digits.
    mutating func quotedInteger<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self
    ) throws(JSONFailure) -> Value {
        try expect(UInt8(ascii: "\""), "an integer in quotes is expected")
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") { position += 1 }
        let digits = bytes[start..<position]
        guard take(UInt8(ascii: "\"")), isCanonicalInteger(digits),
            let value = Value(String(decoding: digits, as: UTF8.self))
        else { throw failure("not an integer of the expected size") }
        return value
    }

    /// Reads a small integer that comes as a plain number.
    mutating func integer() throws(JSONFailure) -> Int {
        skipSpace()
        let start = position
        _ = take(UInt8(ascii: "-"))
        while position < bytes.count, isDigit(bytes[position]) { position += 1 }
        guard isCanonicalInteger(bytes[start..<position]),
            let value = Int(String(decoding: bytes[start..<position], as: UTF8.self)),
            position == bytes.count || !isNumberByte(bytes[position])
        else { throw failure("an integer is expected") }
        return value
    }

    mutating func boolean() throws(JSONFailure) -> Bool {
        skipSpace()
        if takeWord("true") { return true }
        if takeWord("false") { return false }
        throw failure("true or false is expected")
    }

    /// Reads a string of base64.
    mutating func base64() throws(JSONFailure) -> [UInt8] {
        try expect(UInt8(ascii: "\""), "base64 in quotes is expected")
        guard let end = closingQuote() else { throw failure("the string does not end") }
        let start = position
        // `closingQuote` answers a position inside the array, and not before `start`.
        let decoded = unsafe bytes.withUnsafeBytes { all in
            unsafe Base64.decode(UnsafeRawBufferPointer(rebasing: all[start..<end]))
        }
        guard let decoded else { throw failure("not base64") }
        position = end + 1
        return decoded
    }

    /// Reads a string.
    mutating func string() throws(JSONFailure) -> String {
        try expect(UInt8(ascii: "\""), "a string is expected")
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                guard let text = String(validating: bytes[start..<position], as: UTF8.self)
                else { throw failure("not UTF-8") }
                position += 1
                return text
            case UInt8(ascii: "\\"):
                return try stringWithEscapes(from: start)
            case 0..<0x20:
                throw failure("a control character in a string")
            default:
                position += 1
            }
        }
        throw failure("the string does not end")
    }

    /// Reads any value and forgets it.
    mutating func skip() throws(JSONFailure) {
        try skip(depth: 0)
    }

    /// Nothing but white space may follow.
    mutating func end() throws(JSONFailure) {
        skipSpace()
        guard position == bytes.count else { throw failure("something follows the answer") }
    }

    func failure(_ reason: String) -> JSONFailure {
        JSONFailure(offset: position, reason: reason)
    }
}

// MARK: Pieces

extension JSONReader {
    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func takeWord(_ word: String) -> Bool {
        guard bytes[position...].starts(with: word.utf8) else { return false }
        position += word.utf8.count
        return true
    }

    private mutating func expect(_ byte: UInt8, _ reason: String) throws(JSONFailure) {
        skipSpace()
        guard take(byte) else { throw failure(reason) }
    }

    private func closingQuote() -> Int? {
        unsafe bytes.withUnsafeBytes { all -> Int? in
            // The search stays inside the array: it begins at `position`, which never exceeds
            // the count, and looks at no more than what is left.
            guard let base = all.baseAddress,
                let found = unsafe memchr(base + position, 0x22, all.count - position)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - base
        }
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private func isNumberByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e")
    }

    /// An optional minus sign, then digits without a leading zero.
    private func isCanonicalInteger(_ text: ArraySlice<UInt8>) -> Bool {
        let digits = text.first == UInt8(ascii: "-") ? text.dropFirst() : text
        guard let first = digits.first, digits.allSatisfy(isDigit) else { return false }
        return first != UInt8(ascii: "0") || (digits.count == 1 && text.count == 1)
    }

    private mutating func skip(depth: Int) throws(JSONFailure) {
        guard depth < Self.maximumDepth else { throw failure("nested too deeply") }
        skipSpace()
        guard position < bytes.count else { throw failure("a value is expected") }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            try object { _, reader throws(JSONFailure) in try reader.skip(depth: depth + 1) }
        case UInt8(ascii: "["):
            try array { reader throws(JSONFailure) in try reader.skip(depth: depth + 1) }
        case UInt8(ascii: "\""):
            _ = try string()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            try skipNumber()
        default:
            guard takeWord("true") || takeWord("false") || takeWord("null") else {
                throw failure("a value is expected")
            }
        }
    }

    private mutating func skipNumber() throws(JSONFailure) {
        let start = position
        _ = take(UInt8(ascii: "-"))
        while position < bytes.count, isDigit(bytes[position]) { position += 1 }
        guard
            isCanonicalInteger(bytes[start..<position]) || bytes[start..<position] == [0x2D, 0x30]
        else { throw failure("not a number") }
        if take(UInt8(ascii: ".")) { try skipDigits() }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try skipDigits()
        }
    }

    private mutating func skipDigits() throws(JSONFailure) {
        let start = position
        while position < bytes.count, isDigit(bytes[position]) { position += 1 }
        guard position > start else { throw failure("not a number") }
    }
}

// MARK: Escapes

extension JSONReader {
    /// Reads on from the first backslash of a string that began at `start`.
    private mutating func stringWithEscapes(from start: Int) throws(JSONFailure) -> String {
        var text = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let result = String(validating: text, as: UTF8.self) else {
                    throw failure("not UTF-8")
                }
                return result
            case UInt8(ascii: "\\"):
                try escape(into: &text)
            case 0..<0x20:
                throw failure("a control character in a string")
            default:
                text.append(byte)
            }
        }
        throw failure("the string does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONFailure) {
        guard position < bytes.count else { throw failure("the string does not end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            let scalar = try unicodeEscape()
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw failure("not an escape")
        }
    }

    private mutating func unicodeEscape() throws(JSONFailure) -> Unicode.Scalar {
        let unit = try hexadecimalUnit()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard UTF16.isLeadSurrogate(UInt16(unit)), take(UInt8(ascii: "\\")),
            take(UInt8(ascii: "u"))
        else { throw failure("half a surrogate pair") }
        let second = try hexadecimalUnit()
        guard UTF16.isTrailSurrogate(UInt16(second)),
            let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("half a surrogate pair") }
        return scalar
    }

    private mutating func hexadecimalUnit() throws(JSONFailure) -> UInt32 {
        guard bytes.count - position >= 4 else { throw failure("the string does not end") }
        let digits = bytes[position..<(position + 4)]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw failure("not an escape") }
        position += 4
        return unit
    }
}
