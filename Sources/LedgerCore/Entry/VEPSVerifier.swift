import Crypto
import TextFormats

/// Checks the signatures of the service that certifies events (formats.md, "What VEPS signs").
package struct VEPSVerifier: Sendable {
    /// One public key that may have signed.
    package struct Key: Sendable {
        private enum Algorithm: Sendable {
            case ed25519(Curve25519.Signing.PublicKey)
            case p256(P256.Signing.PublicKey)
        }

        private let algorithm: Algorithm

        private init(_ algorithm: Algorithm) {
            self.algorithm = algorithm
        }

        /// Takes the 32 bytes of an Ed25519 public key.
        package init(ed25519 rawRepresentation: [UInt8]) throws(FormatError) {
            guard
                let key = try? Curve25519.Signing.PublicKey(rawRepresentation: rawRepresentation)
            else {
                throw FormatError(.wrongFormat, "an Ed25519 public key has 32 bytes")
            }
            self.init(.ed25519(key))
        }

        /// Takes the text of a PEM file with one Ed25519 or P-256 public key.
        package init(pem: [UInt8]) throws(FormatError) {
            try self.init(document: PEMDocument(parsing: pem))
        }

        /// Takes an Ed25519 or a P-256 public key as openssl writes it.
        package init(document: PEMDocument) throws(FormatError) {
            if let bytes = document.ed25519PublicKey {
                try self.init(ed25519: bytes)
                return
            }
            guard document.label == "PUBLIC KEY",
                let key = try? P256.Signing.PublicKey(derRepresentation: document.der)
            else {
                throw FormatError(
                    .wrongFormat, "the PEM object is not an Ed25519 or P-256 public key")
            }
            self.init(.p256(key))
        }

        fileprivate func made(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
            switch algorithm {
            case .ed25519(let key):
                return key.isValidSignature(signature, for: bytes)
            case .p256(let key):
                guard let value = try? P256.Signing.ECDSASignature(derRepresentation: signature)
                else { return false }
                return key.isValidSignature(value, for: bytes)
            }
        }
    }

    private let keys: [Key]

    /// Takes the keys of `LEDGER_VEPS_PUBLIC_KEYS`, any one of which may have signed.
    package init(keys: [Key]) {
        self.keys = keys
    }

    /// Whether the event's `veps_signature` is the standard base64 of a signature that one of the
    /// keys made over `signedBytes`.
    package func accepts(_ event: CertifiedEvent) -> Bool {
        guard let signature = Base64.decode(event.vepsSignature[...]) else { return false }
        let bytes = event.signedBytes
        return keys.contains { $0.made(signature, of: bytes) }
    }
}
