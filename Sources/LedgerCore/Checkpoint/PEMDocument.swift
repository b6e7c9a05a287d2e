import TextFormats

/// One object of a PEM text (RFC 7468): what openssl writes for a key or a certificate.
///
/// Read so strictly that no other program reads anything else in the same text: an object that one of them would skip,
/// and another take, is an error and not skipped.
package struct PEMDocument: Hashable, Sendable {
    /// The text between `-----BEGIN ` and `-----`, e.g. `PRIVATE KEY`.
    package let label: String

    /// The encoded object.
    package let der: [UInt8]

    /// Whether only a pass phrase opens it.
    package let isEncrypted: Bool

    /// Reads every object; text around them is skipped, as the standard has it. Lines may end in CR LF.
    ///
    /// - Returns: One object at least.
    package static func all(in text: [UInt8]) throws(FormatError) -> [PEMDocument] {
        guard UTF8Text.isValid(text[...]) else {
            throw FormatError(.invalidText, "the PEM text is not ASCII or UTF-8")
        }
        let newline = UInt8(ascii: "\n")
        let lines = text.split(separator: newline, omittingEmptySubsequences: false)
            .map(trimmed)
        var documents: [PEMDocument] = []
        var index = lines.startIndex
        while index < lines.endIndex {
            guard let label = try boundary("BEGIN", lines[index]) else {
                if try boundary("END", lines[index]) != nil {
                    throw FormatError(.wrongFormat, "a PEM object ends that did not begin")
                }
                index += 1
                continue
            }
            var body: [ArraySlice<UInt8>] = []
            index += 1
            while true {
                guard index < lines.endIndex else {
                    throw FormatError(.truncated, "the PEM object \(label) has no end")
                }
                if let end = try boundary("END", lines[index]) {
                    guard end == label else {
                        throw FormatError(.wrongFormat, "\(label) ends as \(end) in the PEM text")
                    }
                    break
                }
                body.append(lines[index])
                index += 1
            }
            documents.append(try PEMDocument(label: label, body: body[...]))
            index += 1
        }
        guard !documents.isEmpty else {
            throw FormatError(.wrongFormat, "no PEM object begins in the text")
        }
        return documents
    }

    /// Reads the only object of a text; the `EC PARAMETERS` that openssl writes before a key do not count.
    package init(parsing text: [UInt8]) throws(FormatError) {
        let documents = try Self.all(in: text).filter { $0.label != Self.curveParameters }
        guard documents.count == 1, let only = documents.first else {
            throw FormatError(.trailingBytes, "the PEM text holds \(documents.count) objects")
        }
        self = only
    }

    /// What openssl writes before the key of an elliptic curve; the key names the curve again.
    package static let curveParameters = "EC PARAMETERS"

    private init(label: String, body: ArraySlice<ArraySlice<UInt8>>) throws(FormatError) {
        self.label = label
        let (headers, data) = try Self.headers(body)
        let isEncryptedByHeader = headers.contains { $0.contains("ENCRYPTED") }
        isEncrypted = isEncryptedByHeader || label == "ENCRYPTED PRIVATE KEY"
        guard !data.isEmpty, data.allSatisfy({ !$0.isEmpty }),
            let bytes = Base64.decode(Array(data.joined())[...])
        else {
            throw FormatError(.invalidText, "the PEM object \(label) is not base64")
        }
        // What such a header announces is no DER before it is decrypted.
        guard isEncryptedByHeader || Self.isOneElement(bytes) else {
            throw FormatError(.invalidText, "the PEM object \(label) is not one object in DER")
        }
        der = bytes
    }

    /// The lines `Name: value` of RFC 1421 that announce encryption, which end with an empty line, and what follows
    /// them.
    private static func headers(
        _ body: ArraySlice<ArraySlice<UInt8>>
    ) throws(FormatError) -> ([String], ArraySlice<ArraySlice<UInt8>>) {
        guard let first = body.first, first.contains(UInt8(ascii: ":")) else { return ([], body) }
        guard let empty = body.firstIndex(where: \.isEmpty) else {
            throw FormatError(.wrongFormat, "the headers of a PEM object have no end")
        }
        let headers = body[..<empty].map { String(decoding: $0, as: UTF8.self) }
        return (headers, body[(empty + 1)...])
    }

    /// The label of a line that begins or ends an object; nil for any other line.
    private static func boundary(
        _ word: String, _ line: ArraySlice<UInt8>
    ) throws(FormatError) -> String? {
        let dashes = Array("-----".utf8)
        let start = dashes + Array("\(word) ".utf8)
        guard line.starts(with: start), line.count > start.count + dashes.count,
            line.suffix(dashes.count).elementsEqual(dashes)
        else {
            // One program would not see a boundary behind a space or a byte order mark, another does.
            let text = String(decoding: line, as: UTF8.self)
            guard !text.contains("-----\(word) ") else {
                throw FormatError(
                    .wrongFormat, "a line of the PEM text holds -----\(word) and something else")
            }
            return nil
        }
        let label = line.dropFirst(start.count).dropLast(dashes.count)
        return String(decoding: label, as: UTF8.self)
    }

    /// Whether the bytes are one SEQUENCE of DER, with its shortest length, and nothing behind it.
    private static func isOneElement(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 2, bytes[0] == 0x30 || bytes[0] == 0x06 else { return false }
        if bytes[1] < 0x80 { return bytes.count == 2 + Int(bytes[1]) }
        let width = Int(bytes[1] & 0x7F)
        guard (1...4).contains(width), bytes.count > 2 + width, bytes[2] != 0 else { return false }
        let length = bytes[2..<2 + width].reduce(0) { $0 << 8 | Int($1) }
        return length >= 0x80 && bytes.count == 2 + width + length
    }

    /// The 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7); with or without the
    /// public key.
    package func ed25519PrivateKey() throws(FormatError) -> [UInt8] {
        let versions: [[UInt8]] = [
            [0x30, 0x2E, 0x02, 0x01, 0x00],
            [0x30, 0x51, 0x02, 0x01, 0x01],
        ]
        let rest = [0x30, 0x05] + Self.ed25519 + [0x04, 0x22, 0x04, 0x20]
        for version in versions where label == "PRIVATE KEY" && der.starts(with: version + rest) {
            let start = version.count + rest.count
            guard der.count == Int(der[1]) + 2 else { break }
            return Array(der[start..<start + 32])
        }
        throw FormatError(.wrongFormat, "the PEM object is not an Ed25519 private key in PKCS #8")
    }

    /// The 32 bytes of an Ed25519 public key (RFC 8410, section 4); nil for any other object.
    package var ed25519PublicKey: [UInt8]? {
        let start: [UInt8] = [0x30, 0x2A, 0x30, 0x05] + Self.ed25519 + [0x03, 0x21, 0x00]
        guard label == "PUBLIC KEY", der.count == start.count + 32, der.starts(with: start) else {
            return nil
        }
        return Array(der.dropFirst(start.count))
    }

    /// The object identifier 1.3.101.112 in DER.
    private static let ed25519: [UInt8] = [0x06, 0x03, 0x2B, 0x65, 0x70]

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        while let last = line.last, last == 0x20 || last == 0x0D || last == 0x09 {
            line.removeLast()
        }
        return line
    }
}
