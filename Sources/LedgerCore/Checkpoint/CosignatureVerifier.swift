/// The name and the Ed25519 public key of a witness, with which anybody can check its cosignatures (C2SP
/// tlog-cosignature, cosignature/v1).
package struct CosignatureVerifier: Hashable, Sendable {
    private let key: NoteKey

    /// The witness's name.
    package var name: String { key.name }

    /// The 32 bytes of the public key.
    package var publicKey: [UInt8] { key.publicKey }

    /// H(name || 0x0A || 0x04 || public key)[0..<4].
    package var keyID: UInt32 { key.id }

    /// Takes a name without spaces and `+`, and 32 bytes.
    package init(name: String, publicKey: [UInt8]) throws(FormatError) {
        key = try NoteKey(name: name, algorithm: .cosignature, publicKey: publicKey)
    }

    /// Reads the text that `verifierKey` gives.
    package init(parsing verifierKey: String) throws(FormatError) {
        key = try NoteKey(parsing: verifierKey, algorithm: .cosignature)
    }

    /// name+hex(key ID)+base64(0x04 || public key).
    package var verifierKey: String { key.verifierKey }

    /// The cosignature that this witness made of a note's text; signatures of others are ignored.
    ///
    /// - Throws: `notSigned` where there is none, `badSignature` where one in its name is not by its key.
    package func cosignature(of note: SignedNote) throws(ProofError) -> Cosignature {
        let own = note.signatures.filter { key.isNamed(by: $0) }
        guard let first = own.first else {
            throw ProofError(.notSigned, "the checkpoint has no cosignature of \(name)")
        }
        let times = own.map { timestamp(of: $0, text: note.text) }
        guard let time = times[0], !times.contains(nil) else {
            throw ProofError(.badSignature, "a cosignature of \(name) is not by its key")
        }
        return Cosignature(timestamp: time, signature: first)
    }

    /// When a valid cosignature was made; nil where it is none.
    private func timestamp(of signature: SignedNote.Signature, text: [UInt8]) -> UInt64? {
        let bytes = signature.signature
        guard bytes.count == Cosignature.byteCount else { return nil }
        let time = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
        guard time <= UInt64(Int64.max),
            key.isValid(
                Array(bytes[8...]), for: Cosignature.message(text: text, timestamp: time))
        else { return nil }
        return time
    }
}

/// A witness's statement that at some time this was the largest checkpoint that it had seen of a log, and that it
/// continues all that it had seen before.
package struct Cosignature: Hashable, Sendable {
    /// In seconds since 1970, at most 2^63-1.
    package let timestamp: UInt64

    /// The signature line of the note.
    package let signature: SignedNote.Signature

    package init(timestamp: UInt64, signature: SignedNote.Signature) {
        self.timestamp = timestamp
        self.signature = signature
    }

    /// A time and an Ed25519 signature.
    static let byteCount = 8 + 64

    /// What is signed: two lines and the checkpoint's text.
    static func message(text: [UInt8], timestamp: UInt64) -> [UInt8] {
        Array("cosignature/v1\ntime \(timestamp)\n".utf8) + text
    }
}
