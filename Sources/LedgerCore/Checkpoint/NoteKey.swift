import Crypto
import TextFormats

/// A name and an Ed25519 public key, with what kind of signatures the key makes (C2SP signed-note).
struct NoteKey: Hashable, Sendable {
    /// The byte that stands before the public key.
    enum Algorithm: UInt8, Sendable {
        /// A signature over the note's text.
        case ed25519 = 0x01
        /// A witness's signature over the text and a time (C2SP tlog-cosignature).
        case cosignature = 0x04
    }

    let name: String
    let algorithm: Algorithm
    /// 32 bytes.
    let publicKey: [UInt8]
    /// H(name || 0x0A || algorithm || public key)[0..<4].
    let id: UInt32

    init(name: String, algorithm: Algorithm, publicKey: [UInt8]) throws(FormatError) {
        guard NoteKeyName.isValid(name) else {
            throw FormatError(.invalidText, "the name of a key has spaces, a + or nothing in it")
        }
        guard (try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey)) != nil else {
            throw FormatError(.wrongFormat, "an Ed25519 public key has 32 bytes")
        }
        self.name = name
        self.algorithm = algorithm
        self.publicKey = publicKey
        id = Digest.sha256(Array(name.utf8) + [0x0A, algorithm.rawValue] + publicKey)
            .bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Reads the text that `verifierKey` gives, of this algorithm only.
    init(parsing verifierKey: String, algorithm: Algorithm) throws(FormatError) {
        // Base64 may hold a +, the other two parts may not.
        let parts = verifierKey.split(
            separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let bytes = Base64.decode(String(parts[2])),
            bytes.first == algorithm.rawValue
        else {
            throw FormatError(
                .wrongFormat, "a verifier key is name+key ID+base64 of an Ed25519 key")
        }
        try self.init(
            name: String(parts[0]), algorithm: algorithm, publicKey: Array(bytes.dropFirst()))
        guard parts[1] == idHex else {
            throw FormatError(.inconsistent, "the verifier key's ID does not belong to its key")
        }
    }

    /// name+hex(key ID)+base64(algorithm || public key).
    var verifierKey: String {
        "\(name)+\(idHex)+\(Base64.encode([algorithm.rawValue] + publicKey))"
    }

    private var idHex: String {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(id)
        return Hex.encode(bytes)
    }

    /// Whether a signature line says that it is of this key.
    func isNamed(by signature: SignedNote.Signature) -> Bool {
        signature.keyID == id && signature.name.utf8.elementsEqual(name.utf8)
    }

    func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else {
            return false
        }
        return key.isValidSignature(signature, for: message)
    }
}
