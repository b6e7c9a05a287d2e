import Crypto
import TextFormats

/// The name and the Ed25519 public key of a ledger, with which anybody can check its checkpoints.
package struct NoteVerifier: Hashable, Sendable {
    /// The byte that stands for Ed25519 before the public key.
    private static let algorithm: UInt8 = 0x01

    /// The key's name, which is the ledger's origin.
    package let name: String

    /// The 32 bytes of the public key.
    package let publicKey: [UInt8]

    /// H(name || 0x0A || 0x01 || public key)[0..<4] (formats.md, "Checkpoint").
    package let keyID: UInt32

    /// Takes a name without spaces and `+`, and 32 bytes.
    package init(name: String, publicKey: [UInt8]) throws(FormatError) {
        guard NoteKeyName.isValid(name) else {
            throw FormatError(.invalidText, "the name of a key has spaces, a + or nothing in it")
        }
        guard (try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey)) != nil else {
            throw FormatError(.wrongFormat, "an Ed25519 public key has 32 bytes")
        }
        self.name = name
        self.publicKey = publicKey
        keyID = Digest.sha256(Array(name.utf8) + [0x0A, Self.algorithm] + publicKey)
            .bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Reads the text that `verifierKey` gives.
    package init(parsing verifierKey: String) throws(FormatError) {
        // Base64 may hold a +, the other two parts may not.
        let parts = verifierKey.split(
            separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let bytes = Base64.decode(String(parts[2])),
            bytes.first == Self.algorithm
        else {
            throw FormatError(
                .wrongFormat, "a verifier key is name+key ID+base64 of an Ed25519 key")
        }
        try self.init(name: String(parts[0]), publicKey: Array(bytes.dropFirst()))
        guard parts[1] == keyIDHex else {
            throw FormatError(.inconsistent, "the verifier key's ID does not belong to its key")
        }
    }

    /// name+hex(key ID)+base64(0x01 || public key).
    package var verifierKey: String {
        "\(name)+\(keyIDHex)+\(Base64.encode([Self.algorithm] + publicKey))"
    }

    private var keyIDHex: String {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(keyID)
        return Hex.encode(bytes)
    }

    /// The checkpoint of a note that this key signed; other signatures are ignored.
    package func checkpoint(of note: SignedNote) throws(ProofError) -> Checkpoint {
        let own = note.signatures.filter {
            $0.keyID == keyID && $0.name.utf8.elementsEqual(name.utf8)
        }
        guard !own.isEmpty else {
            throw ProofError(.notSigned, "the checkpoint has no signature of \(name)")
        }
        guard own.allSatisfy({ isValid($0.signature, for: note.text) }) else {
            throw ProofError(.badSignature, "a signature of \(name) is not by its key")
        }
        let checkpoint: Checkpoint
        do throws(FormatError) {
            checkpoint = try Checkpoint(parsing: note.text)
        } catch {
            throw ProofError(error)
        }
        guard checkpoint.origin.utf8.elementsEqual(name.utf8) else {
            throw ProofError(.wrongOrigin, "the checkpoint is not of \(name)")
        }
        return checkpoint
    }

    private func isValid(_ signature: [UInt8], for text: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else {
            return false
        }
        return key.isValidSignature(signature, for: text)
    }
}
