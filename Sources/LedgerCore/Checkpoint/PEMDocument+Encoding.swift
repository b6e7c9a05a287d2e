import TextFormats

extension PEMDocument {
    /// The PEM text of an Ed25519 private key in PKCS #8 (RFC 8410, section 7), as openssl writes it.
    ///
    /// - Parameter seed: The 32 bytes of the key.
    package static func ed25519PrivateKey(_ seed: [UInt8]) -> [UInt8] {
        precondition(seed.count == 32, "an Ed25519 private key has 32 bytes")
        let der: [UInt8] =
            [0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22]
            + [0x04, 0x20] + seed
        // 48 bytes are 64 characters: one line.
        return Array(
            "-----BEGIN PRIVATE KEY-----\n\(Base64.encode(der))\n-----END PRIVATE KEY-----\n".utf8)
    }
}
