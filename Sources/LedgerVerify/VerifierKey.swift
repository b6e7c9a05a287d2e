import LedgerCore

/// The public half of a key that signs a ledger's checkpoints, with its name: `name+key ID+base64` (C2SP signed-note).
///
/// Whoever verifies a ledger must have its verifier key from the ledger's operator, over a way that the ledger itself
/// cannot change. Where the key was changed, old checkpoints verify with the old key: keep both.
public struct VerifierKey: Hashable, Sendable, CustomStringConvertible {
    /// The longest text that is read as a key, in bytes.
    public static let maxByteCount = 4096

    let verifier: NoteVerifier

    /// Reads the text that `ledgerctl keygen` prints.
    ///
    /// - Throws: `VerificationError` where the text is none, or its key ID does not belong to its key.
    public init(_ text: String) throws(VerificationError) {
        guard text.utf8.count <= Self.maxByteCount else {
            throw VerificationError(
                .malformedKey, "a verifier key has at most \(Self.maxByteCount) bytes")
        }
        do throws(FormatError) {
            verifier = try NoteVerifier(parsing: text)
        } catch {
            throw VerificationError(.malformedKey, error.message)
        }
    }

    /// The key's name, which is the ledger's origin.
    public var name: String { verifier.name }

    /// `name+key ID+base64`.
    public var description: String { verifier.verifierKey }
}
