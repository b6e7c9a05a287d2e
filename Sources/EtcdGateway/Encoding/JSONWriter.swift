import TextFormats

/// Writes JSON into one buffer of bytes; where commas and braces go is the caller's business.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []

    /// - Parameter capacity: How many bytes will be written, as far as known: what is not
    ///   reserved beforehand is copied when the buffer grows.
    init(capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    /// Appends text of the program's own, as it is.
    mutating func literal(_ text: StaticString) {
        text.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    }

    /// Appends a 64-bit integer the way Protocol Buffers write it in JSON: as a string.
    mutating func integer(_ value: Int64) {
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: String(value).utf8)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends bytes the way Protocol Buffers write them in JSON: as a string of base64.
    mutating func base64(_ value: [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        Base64.append(value, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends a string, escaped.
    mutating func string(_ value: String) {
        JSONString.append(value, to: &bytes)
    }

    /// Appends `[`, each element, `]`.
    mutating func array<Element>(
        _ elements: [Element], _ write: (Element, inout JSONWriter) -> Void
    ) {
        bytes.append(UInt8(ascii: "["))
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            write(element, &self)
        }
        bytes.append(UInt8(ascii: "]"))
    }
}
