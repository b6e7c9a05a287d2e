/// The name and the Ed25519 public key of a ledger, with which anybody can check its checkpoints.
package struct NoteVerifier: Hashable, Sendable {
    private let key: NoteKey

    /// The key's name, which is the ledger's origin.
    package var name: String { key.name }

    /// The 32 bytes of the public key.
    package var publicKey: [UInt8] { key.publicKey }

    /// H(name || 0x0A || 0x01 || public key)[0..<4] (formats.md, "Checkpoint").
    package var keyID: UInt32 { key.id }

    /// Takes a name without spaces and `+`, and 32 bytes.
    package init(name: String, publicKey: [UInt8]) throws(FormatError) {
        key = try NoteKey(name: name, algorithm: .ed25519, publicKey: publicKey)
    }

    /// Reads the text that `verifierKey` gives.
    package init(parsing verifierKey: String) throws(FormatError) {
        key = try NoteKey(parsing: verifierKey, algorithm: .ed25519)
    }

    /// name+hex(key ID)+base64(0x01 || public key).
    package var verifierKey: String { key.verifierKey }

    /// The checkpoint of a note that this key signed; other signatures are ignored.
    package func checkpoint(of note: SignedNote) throws(ProofError) -> Checkpoint {
        try checkpoint(of: note, origin: name)
    }

    /// The checkpoint of a note that this key signed, for a log whose origin is not the key's name.
    package func checkpoint(
        of note: SignedNote, origin: String
    ) throws(ProofError) -> Checkpoint {
        let own = note.signatures.filter { key.isNamed(by: $0) }
        guard !own.isEmpty else {
            throw ProofError(.notSigned, "the checkpoint has no signature of \(name)")
        }
        guard own.allSatisfy({ key.isValid($0.signature, for: note.text) }) else {
            throw ProofError(.badSignature, "a signature of \(name) is not by its key")
        }
        let checkpoint: Checkpoint
        do throws(FormatError) {
            checkpoint = try Checkpoint(parsing: note.text)
        } catch {
            throw ProofError(error)
        }
        guard checkpoint.origin.utf8.elementsEqual(origin.utf8) else {
            throw ProofError(.wrongOrigin, "the checkpoint is not of \(origin)")
        }
        return checkpoint
    }
}
