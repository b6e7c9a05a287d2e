/// A JSON value of which there is one reading only.
///
/// RFC 8259 leaves open what a name that comes twice means, how large a number may be, and whether half a surrogate
/// pair is text; parsers differ, and what is sealed is sealed for ever. So all of that is refused here, and numbers stay
/// text until somebody says what they must be.
indirect enum StrictJSON: Equatable {
    /// Members in the order of the text; no name comes twice.
    case object([Member])
    case array([StrictJSON])
    case string(String)
    /// A number as it was written.
    case number(String)
    case bool(Bool)
    case null

    /// A name and its value.
    struct Member: Equatable {
        let name: String
        let value: StrictJSON
    }

    /// Why a text is refused, and at which byte of it, counted from 1.
    struct Problem: Error, Equatable {
        let reason: String
        let position: Int
    }

    /// How many arrays and objects may lie inside one another.
    static let maxDepth = 16

    /// Reads a text that is one value, with nothing but white space around it.
    init(parsing text: [UInt8]) throws(Problem) {
        if text.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw Problem(reason: "a byte order mark; UTF-8 without one is accepted", position: 1)
        }
        if text.starts(with: [0xFE, 0xFF]) || text.starts(with: [0xFF, 0xFE])
            || text.prefix(4).contains(0)
        {
            throw Problem(reason: "UTF-16 or UTF-32; UTF-8 is accepted", position: 1)
        }
        var scanner = StrictJSONScanner(text)
        self = try scanner.value(depth: 0)
        try scanner.finish()
    }
}

/// Walks through the bytes of a JSON text.
private struct StrictJSONScanner {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func value(depth: Int) throws(StrictJSON.Problem) -> StrictJSON {
        guard depth <= StrictJSON.maxDepth else {
            throw problem("more than \(StrictJSON.maxDepth) levels of arrays and objects")
        }
        skipWhiteSpace()
        guard let byte = peek else { throw problem("expected a value") }
        switch byte {
        case UInt8(ascii: "{"): return .object(try members(depth: depth))
        case UInt8(ascii: "["): return .array(try elements(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return .number(try number())
        default: throw problem("expected a value")
        }
    }

    mutating func finish() throws(StrictJSON.Problem) {
        skipWhiteSpace()
        guard index == bytes.count else { throw problem("something follows the value") }
    }

    // MARK: Parts

    private mutating func members(depth: Int) throws(StrictJSON.Problem) -> [StrictJSON.Member] {
        var members: [StrictJSON.Member] = []
        // As texts, of which Swift calls those equal that look the same: to some reader they are one name.
        var names: Set<String> = []
        try expect("{")
        skipWhiteSpace()
        if take("}") { return members }
        repeat {
            skipWhiteSpace()
            let start = index
            guard peek == UInt8(ascii: "\"") else {
                throw problem(
                    members.isEmpty ? "expected a name" : "expected a name after the comma")
            }
            let name = try string()
            guard names.insert(name).inserted else {
                throw problem("the name \"\(name)\" comes twice", at: start)
            }
            skipWhiteSpace()
            try expect(":")
            members.append(.init(name: name, value: try value(depth: depth + 1)))
            skipWhiteSpace()
        } while take(",")
        try expect("}")
        return members
    }

    private mutating func elements(depth: Int) throws(StrictJSON.Problem) -> [StrictJSON] {
        var elements: [StrictJSON] = []
        try expect("[")
        skipWhiteSpace()
        if take("]") { return elements }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipWhiteSpace()
        } while take(",")
        try expect("]")
        return elements
    }

    private mutating func string() throws(StrictJSON.Problem) -> String {
        let start = index
        try expect("\"")
        var text: [UInt8] = []
        while true {
            guard let byte = peek else { throw problem("a string has no end") }
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw problem("a string that is not UTF-8", at: start)
                }
                return string
            case UInt8(ascii: "\\"):
                text += Array(String(try escaped()).utf8)
            case ..<0x20: throw problem("a control character that is not escaped")
            default:
                text.append(byte)
                index += 1
            }
        }
    }

    private mutating func escaped() throws(StrictJSON.Problem) -> Unicode.Scalar {
        let start = index
        index += 1
        guard let letter = peek else { throw problem("a string has no end") }
        index += 1
        switch letter {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape(from: start)
        default: throw problem("an escape that JSON does not have", at: start)
        }
    }

    /// What follows `\u`: a scalar, or both halves of a surrogate pair.
    private mutating func unicodeEscape(from start: Int) throws(StrictJSON.Problem)
        -> Unicode.Scalar
    {
        let first = try fourDigits(from: start)
        if let scalar = Unicode.Scalar(first) { return scalar }
        if first < 0xDC00, bytes[index...].starts(with: Array("\\u".utf8)) {
            index += 2
            let second = try fourDigits(from: start)
            if (0xDC00...0xDFFF).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
            {
                return scalar
            }
        }
        throw problem("half a surrogate pair", at: start)
    }

    private mutating func fourDigits(from start: Int) throws(StrictJSON.Problem) -> UInt32 {
        let digits = bytes[index...].prefix(4)
        guard digits.count == 4,
            digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw problem("an escape without four hexadecimal digits", at: start) }
        index += 4
        return value
    }

    /// RFC 8259, section 6: no sign but a minus, no leading zeros, digits on both sides of a point.
    private mutating func number() throws(StrictJSON.Problem) -> String {
        let start = index
        _ = take("-")
        let digits = try digits(from: start)
        guard digits.count == 1 || digits.first != UInt8(ascii: "0") else {
            throw problem("a number with a leading zero", at: start)
        }
        if take(".") { _ = try self.digits(from: start) }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            _ = try self.digits(from: start)
        }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private mutating func digits(from start: Int) throws(StrictJSON.Problem) -> ArraySlice<UInt8> {
        let digits = bytes[index...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !digits.isEmpty else { throw problem("a number without digits", at: start) }
        index += digits.count
        return digits
    }

    private mutating func word(
        _ word: String, _ value: StrictJSON
    ) throws(StrictJSON.Problem) -> StrictJSON {
        guard bytes[index...].starts(with: word.utf8) else { throw problem("expected a value") }
        index += word.utf8.count
        return value
    }

    // MARK: Bytes

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(StrictJSON.Problem) {
        guard take(character) else { throw problem("expected \(character)") }
    }

    private mutating func skipWhiteSpace() {
        while let byte = peek, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { index += 1 }
    }

    private func problem(_ reason: String, at position: Int? = nil) -> StrictJSON.Problem {
        StrictJSON.Problem(reason: reason, position: (position ?? index) + 1)
    }
}
