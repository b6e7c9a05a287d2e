import Crypto

/// The Ed25519 private key with which a witness cosigns checkpoints (C2SP tlog-cosignature, cosignature/v1).
package struct CosignatureSigner: Sendable {
    /// What others need to check its cosignatures.
    package let verifier: CosignatureVerifier

    private let privateKey: Curve25519.Signing.PrivateKey

    /// Takes the witness's name and the 32 bytes of a private key, which must sign nothing else: what it signs does
    /// not name the witness.
    package init(name: String, privateKey seed: [UInt8]) throws(FormatError) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else {
            throw FormatError(.wrongFormat, "an Ed25519 private key has 32 bytes")
        }
        privateKey = key
        verifier = try CosignatureVerifier(
            name: name, publicKey: Array(key.publicKey.rawRepresentation))
    }

    /// Takes the witness's name and the text of a PEM file with an Ed25519 private key.
    package init(name: String, pem: [UInt8]) throws(FormatError) {
        try self.init(name: name, privateKey: PEMDocument(parsing: pem).ed25519PrivateKey())
    }

    /// Cosigns a checkpoint's text.
    ///
    /// - Parameter timestamp: now, in seconds since 1970.
    package func cosign(
        _ text: [UInt8], at timestamp: UInt64
    ) throws(FormatError) -> SignedNote.Signature {
        guard timestamp <= UInt64(Int64.max) else {
            throw FormatError(.outOfBounds, "a time of more than 2^63-1 seconds")
        }
        let message = Cosignature.message(text: text, timestamp: timestamp)
        guard let signature = try? privateKey.signature(for: message) else {
            throw FormatError(.wrongFormat, "the private key cannot sign")
        }
        var bytes: [UInt8] = []
        bytes.appendBigEndian(timestamp)
        return SignedNote.Signature(
            name: verifier.name, keyID: verifier.keyID, signature: bytes + signature)
    }
}
