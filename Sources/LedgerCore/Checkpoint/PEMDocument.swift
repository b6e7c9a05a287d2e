/// The first object of a PEM text (RFC 7468): what openssl writes for a key.
package struct PEMDocument: Hashable, Sendable {
    /// The text between `-----BEGIN ` and `-----`, e.g. `PRIVATE KEY`.
    package let label: String

    /// The encoded object.
    package let der: [UInt8]

    /// Reads the first object; what stands before it is skipped, as the standard has it.
    package init(parsing text: [UInt8]) throws(FormatError) {
        let lines = text.split(separator: UInt8(ascii: "\n")).map(Self.trimmed)
        let begin = Array("-----BEGIN ".utf8)
        let dashes = Array("-----".utf8)
        guard let start = lines.firstIndex(where: { $0.starts(with: begin) }),
            lines[start].count > begin.count + dashes.count,
            lines[start].suffix(dashes.count).elementsEqual(dashes)
        else {
            throw FormatError(.wrongFormat, "no PEM object begins in the text")
        }
        let label = lines[start].dropFirst(begin.count).dropLast(dashes.count)
        let end = Array("-----END ".utf8) + label + dashes
        guard let stop = lines[start...].firstIndex(where: { $0.elementsEqual(end) }) else {
            throw FormatError(.truncated, "the PEM object has no end")
        }
        guard let der = Base64.decode(Array(lines[(start + 1)..<stop].joined())[...]) else {
            throw FormatError(.invalidText, "the PEM object is not base64")
        }
        self.label = String(decoding: label, as: UTF8.self)
        self.der = der
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
