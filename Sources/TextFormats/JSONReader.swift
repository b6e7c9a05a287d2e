import Glibc

/// Reads JSON (RFC 8259) strictly and once, front to back.
///
/// Made for answers that are mostly base64: a string of it is found by its closing quote and decoded straight into its
/// bytes. Known members are read by type; unknown ones are skipped, but must be well-formed. A name that comes twice is an
/// error, for two readers might then see two different objects.
package struct JSONReader {
    /// What strings, and names, may hold.
    package enum Strings: Sendable {
        case any
        /// Printable ASCII without escapes: a text that nothing else stands for.
        case plain
    }

    /// What a value is, by its first byte.
    package enum Kind: Sendable {
        case object, array, string, number, boolean, null
    }

    private let bytes: [UInt8]
    private let strings: Strings
    private var position = 0

    /// Nothing that is skipped here is nested deeper than a few levels.
    private static let maximumDepth = 32

    package init(_ bytes: [UInt8], strings: Strings = .any) {
        self.bytes = bytes
        self.strings = strings
    }

    /// Reads a text that is one value, with nothing but white space around it.
    package static func whole<Value>(
        _ bytes: [UInt8], strings: Strings = .any,
        _ value: (inout JSONReader) throws(JSONFailure) -> Value
    ) throws(JSONFailure) -> Value {
        var reader = JSONReader(bytes, strings: strings)
        let value = try value(&reader)
        try reader.end()
        return value
    }

    /// What comes next.
    package mutating func kind() throws(JSONFailure) -> Kind {
        skipSpace()
        guard position < bytes.count else { throw failure("expected a value") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        default: throw failure("expected a value")
        }
    }

    /// Reads an object, calling `member` with each name; it must read the value.
    package mutating func object(
        _ member: (String, inout JSONReader) throws(JSONFailure) -> Void
    ) throws(JSONFailure) {
        try expect(UInt8(ascii: "{"), "expected {")
        skipSpace()
        if take(UInt8(ascii: "}")) { return }
        var names = NamesSeen()
        repeat {
            skipSpace()
            let start = position
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw failure(
                    names.isEmpty ? "expected a name" : "expected a name after the comma")
            }
            let name = try string()
            guard names.insert(name) else {
                throw failure("the name \"\(name)\" comes twice", at: start)
            }
            try expect(UInt8(ascii: ":"), "expected :")
            try member(name, &self)
            skipSpace()
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"), "expected }")
    }

    /// Reads an array, calling `element` once for each element; it must read the element.
    package mutating func array(
        _ element: (inout JSONReader) throws(JSONFailure) -> Void
    ) throws(JSONFailure) {
        try expect(UInt8(ascii: "["), "expected [")
        skipSpace()
        if take(UInt8(ascii: "]")) { return }
        repeat {
            try element(&self)
            skipSpace()
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"), "expected ]")
    }

    package mutating func boolean() throws(JSONFailure) -> Bool {
        skipSpace()
        if takeWord("true") { return true }
        if takeWord("false") { return false }
        throw failure("expected a value")
    }

    package mutating func null() throws(JSONFailure) {
        skipSpace()
        guard takeWord("null") else { throw failure("expected a value") }
    }

    /// Reads any value and forgets it.
    package mutating func skip() throws(JSONFailure) {
        try skip(depth: 0)
    }

    private mutating func skip(depth: Int) throws(JSONFailure) {
        guard depth < Self.maximumDepth else { throw failure("nested too deeply") }
        switch try kind() {
        case .object:
            try object { _, reader throws(JSONFailure) in try reader.skip(depth: depth + 1) }
        case .array:
            try array { reader throws(JSONFailure) in try reader.skip(depth: depth + 1) }
        case .string: _ = try string()
        case .number: _ = try number()
        case .boolean: _ = try boolean()
        case .null: try null()
        }
    }

    /// Nothing but white space may follow.
    package mutating func end() throws(JSONFailure) {
        skipSpace()
        guard position == bytes.count else { throw failure("something follows the value") }
    }

    /// What is wrong here, or at an earlier place.
    package func failure(_ reason: String, at offset: Int? = nil) -> JSONFailure {
        JSONFailure(offset: offset ?? position, reason: reason)
    }
}

/// The names of one object: mostly few, which are compared one by one.
private struct NamesSeen {
    private var few: [String] = []
    private var many: Set<String> = []

    var isEmpty: Bool { few.isEmpty }

    /// False where the name was there already. Names that look the same are one: to some reader they are.
    mutating func insert(_ name: String) -> Bool {
        if few.count < 16 {
            guard !few.contains(name) else { return false }
            few.append(name)
            return true
        }
        if many.isEmpty { many = Set(few) }
        return many.insert(name).inserted
    }
}

// MARK: Numbers

extension JSONReader {
    /// Reads a signed 64-bit integer, which comes as a string of decimal digits.
    package mutating func quotedInteger() throws(JSONFailure) -> Int64 {
        try quoted()
    }

    /// Reads an unsigned 64-bit integer, which comes as a string of decimal digits.
    package mutating func quotedInteger() throws(JSONFailure) -> UInt64 {
        try quoted()
    }

    /// Reads a signed 64-bit integer that comes as a plain number.
    package mutating func integer() throws(JSONFailure) -> Int64 {
        try plain()
    }

    /// Reads an unsigned 64-bit integer that comes as a plain number.
    package mutating func integer() throws(JSONFailure) -> UInt64 {
        try plain()
    }

    /// Reads any number, as it was written (RFC 8259, section 6).
    package mutating func number() throws(JSONFailure) -> String {
        skipSpace()
        let start = position
        _ = take(UInt8(ascii: "-"))
        let whole = try digits(from: start)
        guard whole.count == 1 || whole.first != UInt8(ascii: "0") else {
            throw failure("a number with a leading zero", at: start)
        }
        if take(UInt8(ascii: ".")) { _ = try digits(from: start) }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            _ = try digits(from: start)
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func quoted<Value: FixedWidthInteger>() throws(JSONFailure) -> Value {
        try expect(UInt8(ascii: "\""), "expected an integer in quotes")
        let value: Value = try plainHere()
        guard take(UInt8(ascii: "\"")) else { throw notAnInteger }
        return value
    }

    private mutating func plain<Value: FixedWidthInteger>() throws(JSONFailure) -> Value {
        skipSpace()
        let value: Value = try plainHere()
        guard position == bytes.count || !isNumberByte(bytes[position]) else {
            throw notAnInteger
        }
        return value
    }

    /// An optional minus sign, then digits without a leading zero; -0 is none.
    private mutating func plainHere<Value: FixedWidthInteger>() throws(JSONFailure) -> Value {
        let start = position
        let isNegative = take(UInt8(ascii: "-"))
        let first = position
        var value: Value = 0
        while position < bytes.count, isDigit(bytes[position]) {
            let digit = Value(truncatingIfNeeded: bytes[position] - UInt8(ascii: "0"))
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, hasCarried) =
                isNegative
                ? product.subtractingReportingOverflow(digit)
                : product.addingReportingOverflow(digit)
            guard !isTooLarge, !hasCarried else { throw notAnInteger }
            value = sum
            position += 1
        }
        guard position > first,
            bytes[first] != UInt8(ascii: "0") || position == start + 1
        else { throw notAnInteger }
        return value
    }

    private var notAnInteger: JSONFailure { failure("not an integer of the expected size") }

    private mutating func digits(from start: Int) throws(JSONFailure) -> ArraySlice<UInt8> {
        let first = position
        while position < bytes.count, isDigit(bytes[position]) { position += 1 }
        guard position > first else { throw failure("a number without digits", at: start) }
        return bytes[first..<position]
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private func isNumberByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e")
    }
}

// MARK: Strings

extension JSONReader {
    /// Reads a string of base64.
    package mutating func base64() throws(JSONFailure) -> [UInt8] {
        try expect(UInt8(ascii: "\""), "expected base64 in quotes")
        guard let end = closingQuote() else {
            throw failure("a string has no end")
        }
        guard let decoded = Base64.decode(bytes[position..<end]) else {
            throw failure("not base64")
        }
        position = end + 1
        return decoded
    }

    private func closingQuote() -> Int? {
        unsafe bytes.withUnsafeBytes { all -> Int? in
            // The search stays inside the array: it begins at `position`, which never exceeds the count, and looks at no
            // more than what is left.
            guard let base = all.baseAddress,
                let found = unsafe memchr(base + position, 0x22, all.count - position)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - base
        }
    }

    /// Reads a string.
    package mutating func string() throws(JSONFailure) -> String {
        try expect(UInt8(ascii: "\""), "expected a string")
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                guard let text = String(validating: bytes[start..<position], as: UTF8.self)
                else { throw notUTF8(from: start) }
                position += 1
                return text
            case UInt8(ascii: "\\"):
                if strings == .plain { throw notPlain }
                return try stringWithEscapes(from: start)
            case 0..<0x20:
                throw failure("a control character that is not escaped")
            case 0x7F... where strings == .plain:
                throw notPlain
            default:
                position += 1
            }
        }
        throw failure("a string has no end")
    }

    private var notPlain: JSONFailure { failure("a string with escapes or other than ASCII") }

    private func notUTF8(from start: Int) -> JSONFailure {
        failure("a string that is not UTF-8", at: start - 1)
    }

    /// Reads on from the first backslash of a string that began at `start`.
    private mutating func stringWithEscapes(from start: Int) throws(JSONFailure) -> String {
        var text = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                guard let result = String(validating: text, as: UTF8.self) else {
                    throw notUTF8(from: start)
                }
                position += 1
                return result
            case UInt8(ascii: "\\"):
                try escape(into: &text)
            case 0..<0x20:
                throw failure("a control character that is not escaped")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw failure("a string has no end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONFailure) {
        let start = position
        position += 1
        guard position < bytes.count else { throw failure("a string has no end") }
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
            text.append(contentsOf: String(try unicodeEscape(from: start)).utf8)
        default: throw failure("an escape that JSON does not have", at: start)
        }
    }

    /// What follows `\u`: a scalar, or both halves of a surrogate pair.
    private mutating func unicodeEscape(
        from start: Int
    ) throws(JSONFailure) -> Unicode.Scalar {
        let unit = try hexadecimalUnit(from: start)
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard UTF16.isLeadSurrogate(unit), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u"))
        else { throw failure("half a surrogate pair", at: start) }
        let second = try hexadecimalUnit(from: start)
        guard UTF16.isTrailSurrogate(second),
            let scalar = Unicode.Scalar(
                0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
        else { throw failure("half a surrogate pair", at: start) }
        return scalar
    }

    private mutating func hexadecimalUnit(from start: Int) throws(JSONFailure) -> UInt16 {
        let digits = bytes[position...].prefix(4)
        guard digits.count == 4,
            digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw failure("an escape without four hexadecimal digits", at: start) }
        position += 4
        return unit
    }
}

// MARK: Bytes

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
}
