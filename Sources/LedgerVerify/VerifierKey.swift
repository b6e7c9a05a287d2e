import LedgerCore

/// The public half of a key that signs notes, with its name: `name+key ID+base64` (C2SP signed-note).
///
/// Whoever verifies a ledger must have its verifier key from the ledger's operator, over a way that the ledger itself
/// cannot change.
public struct VerifierKey: Hashable, Sendable, CustomStringConvertible {
    let verifier: NoteVerifier

    /// Reads the text that `ledgerctl keygen` prints.
    ///
    /// - Throws: `VerificationError` where the text is none, or its key ID does not belong to its key.
    public init(_ text: String) throws(VerificationError) {
        do throws(FormatError) {
            verifier = try NoteVerifier(parsing: text)
        } catch {
            throw VerificationError(error)
        }
    }

    /// The key's name, which is the ledger's origin.
    public var name: String { verifier.name }

    /// `name+key ID+base64`.
    public var description: String { verifier.verifierKey }
}
