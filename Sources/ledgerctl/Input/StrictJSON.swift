internal import TextFormats

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

    /// How many arrays and objects may lie inside one another.
    static let maxDepth = 16

    /// Reads a text that is one value, with nothing but white space around it.
    init(parsing text: [UInt8]) throws(JSONFailure) {
        if text.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw JSONFailure(
                offset: 0, reason: "a byte order mark; UTF-8 without one is accepted")
        }
        if text.starts(with: [0xFE, 0xFF]) || text.starts(with: [0xFF, 0xFE])
            || text.prefix(4).contains(0)
        {
            throw JSONFailure(offset: 0, reason: "UTF-16 or UTF-32; UTF-8 is accepted")
        }
        self = try JSONReader.whole(text) { reader throws(JSONFailure) in
            try Self.value(&reader, depth: 0)
        }
    }

    private static func value(
        _ reader: inout JSONReader, depth: Int
    ) throws(JSONFailure) -> StrictJSON {
        guard depth <= maxDepth else {
            throw reader.failure("more than \(maxDepth) levels of arrays and objects")
        }
        switch try reader.kind() {
        case .object:
            var members: [Member] = []
            try reader.object { name, reader throws(JSONFailure) in
                members.append(Member(name: name, value: try value(&reader, depth: depth + 1)))
            }
            return .object(members)
        case .array:
            var elements: [StrictJSON] = []
            try reader.array { reader throws(JSONFailure) in
                elements.append(try value(&reader, depth: depth + 1))
            }
            return .array(elements)
        case .string: return .string(try reader.string())
        case .number: return .number(try reader.number())
        case .boolean: return .bool(try reader.boolean())
        case .null:
            try reader.null()
            return .null
        }
    }
}
