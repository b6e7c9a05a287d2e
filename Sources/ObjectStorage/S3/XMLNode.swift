/// An element of the little XML that S3 answers with.
///
/// The reader is strict and bounded: elements, text and the five named entities; attributes are passed over. A document
/// type, a processing instruction, a comment or a CDATA section makes a text no answer.
struct XMLNode: Sendable, Equatable {
    var name: String
    /// The text in the element itself, without that of its children.
    var text = ""
    var children: [XMLNode] = []

    /// The most elements in a text: a listing of 1,000 objects has less than half of them.
    static let maxCount = 20_000
    /// How deep they may lie in each other.
    static let maxDepth = 16

    init(name: String) {
        self.name = name
    }

    /// Reads a whole text; nil where it is anything else than one element.
    init?(parsing bytes: [UInt8]) {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var reader = XMLReader(bytes)
        guard let node = reader.document() else { return nil }
        self = node
    }

    func first(_ name: String) -> XMLNode? { children.first { $0.name == name } }

    /// The text of the first child of that name.
    func text(of name: String) -> String? { first(name)?.text }
}

/// Reads XML, byte by byte. Each function returns nil where the text breaks its rule.
private struct XMLReader {
    private let bytes: [UInt8]
    private var position = 0
    private var count = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func document() -> XMLNode? {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        skipSpace()
        if skip("<?xml") {
            guard skipPast("?>") else { return nil }
        }
        skipSpace()
        guard let node = element(depth: 1) else { return nil }
        skipSpace()
        return position == bytes.count ? node : nil
    }

    private mutating func element(depth: Int) -> XMLNode? {
        guard depth <= XMLNode.maxDepth, skip("<"), let name = name() else { return nil }
        count += 1
        guard count <= XMLNode.maxCount, let isEmpty = restOfTag() else { return nil }
        var node = XMLNode(name: name)
        if isEmpty { return node }
        var text: [UInt8] = []
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "&") {
                guard appendEntity(to: &text) else { return nil }
            } else if bytes[position] != UInt8(ascii: "<") {
                text.append(bytes[position])
                position += 1
            } else if skip("</") {
                guard self.name() == name else { return nil }
                skipSpace()
                guard skip(">") else { return nil }
                node.text = String(decoding: text, as: UTF8.self)
                return node
            } else {
                guard let child = element(depth: depth + 1) else { return nil }
                node.children.append(child)
            }
        }
        return nil
    }

    private mutating func name() -> String? {
        let start = position
        while position < bytes.count, Self.isNameByte(bytes[position]) { position += 1 }
        guard position > start else { return nil }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// Passes over attributes.
    ///
    /// - Returns: Whether the tag closes its own element.
    private mutating func restOfTag() -> Bool? {
        while true {
            skipSpace()
            if skip("/>") { return true }
            if skip(">") { return false }
            guard name() != nil else { return nil }
            skipSpace()
            guard skip("=") else { return nil }
            skipSpace()
            guard skip("\"") ? skipPast("\"") : skip("'") && skipPast("'") else { return nil }
        }
    }

    private mutating func appendEntity(to text: inout [UInt8]) -> Bool {
        let named: [(String, Character)] = [
            ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"),
        ]
        for (entity, character) in named where skip(entity) {
            text += Array(character.utf8)
            return true
        }
        guard skip("&#") else { return false }
        let radix: UInt32 = skip("x") ? 16 : 10
        var value: UInt32 = 0
        var digitCount = 0
        while position < bytes.count, let digit = Self.digit(bytes[position], radix), digitCount < 8
        {
            value = value &* radix &+ digit
            position += 1
            digitCount += 1
        }
        guard digitCount > 0, digitCount < 8, skip(";"), let scalar = Unicode.Scalar(value) else {
            return false
        }
        text += Array(String(Character(scalar)).utf8)
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
            position += 1
        }
    }

    private mutating func skip(_ text: String) -> Bool {
        guard bytes[position...].starts(with: text.utf8) else { return false }
        position += text.utf8.count
        return true
    }

    private mutating func skipPast(_ text: String) -> Bool {
        while position < bytes.count {
            if skip(text) { return true }
            position += 1
        }
        return false
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: ":"):
            true
        default: false
        }
    }

    private static func digit(_ byte: UInt8, _ radix: UInt32) -> UInt32? {
        let value: UInt32
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = UInt32(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = UInt32(byte - UInt8(ascii: "A")) + 10
        default: return nil
        }
        return value < radix ? value : nil
    }
}
