import Crypto

/// The Ed25519 private key with which a ledger signs its checkpoints.
package struct NoteSigner: Sendable {
    /// What others need to check its signatures.
    package let verifier: NoteVerifier

    private let privateKey: Curve25519.Signing.PrivateKey

    /// Takes the ledger's origin and the 32 bytes of a private key.
    package init(name: String, privateKey seed: [UInt8]) throws(FormatError) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else {
            throw FormatError(.wrongFormat, "an Ed25519 private key has 32 bytes")
        }
        privateKey = key
        verifier = try NoteVerifier(name: name, publicKey: Array(key.publicKey.rawRepresentation))
    }

    /// Takes the ledger's origin and the text of a PEM file with an Ed25519 private key.
    package init(name: String, pem: [UInt8]) throws(FormatError) {
        try self.init(name: name, privateKey: PEMDocument(parsing: pem).ed25519PrivateKey())
    }

    /// The signed note of a checkpoint, with the signer's name as its origin.
    package func note(size: UInt64, root: Digest) throws(FormatError) -> SignedNote {
        let text = Checkpoint(origin: verifier.name, size: size, root: root).text
        guard let signature = try? privateKey.signature(for: text) else {
            throw FormatError(.wrongFormat, "the private key cannot sign")
        }
        return SignedNote(
            text: text,
            signatures: [
                SignedNote.Signature(
                    name: verifier.name, keyID: verifier.keyID, signature: Array(signature))
            ])
    }
}
