import LedgerCore

/// What a ledger commits to at one size, with signatures that nobody has checked yet (C2SP tlog-checkpoint; formats.md,
/// "Checkpoint").
public struct SignedCheckpoint: Hashable, Sendable {
    /// A signature line: who says to have made it.
    public struct Signature: Hashable, Sendable {
        /// The name of the key: the ledger's origin, or a witness.
        public let name: String

        /// The first four bytes of the hash of name and key, which tell keys of one name apart.
        public let keyID: UInt32
    }

    /// The longest note that is read, in bytes.
    public static let maxByteCount = SignedNote.maxByteCount

    /// The note, byte for byte.
    public let note: [UInt8]

    /// The ledger's name.
    public let origin: String

    /// The number of the last event that is covered.
    public let size: UInt64

    /// The root of the Merkle tree over the events 1...size.
    public let rootHash: LedgerHash

    let signedNote: SignedNote

    /// Reads a note.
    ///
    /// - Throws: `VerificationError` with `malformedCheckpoint`.
    public init(parsing note: [UInt8]) throws(VerificationError) {
        do throws(FormatError) {
            signedNote = try SignedNote(parsing: note)
            let checkpoint = try Checkpoint(parsing: signedNote.text)
            origin = checkpoint.origin
            size = checkpoint.size
            rootHash = LedgerHash(checkpoint.root)
        } catch {
            throw VerificationError(.malformedCheckpoint, error.message)
        }
        self.note = note
    }

    /// The signature lines, in their order.
    public var signatures: [Signature] {
        signedNote.signatures.map { Signature(name: $0.name, keyID: $0.keyID) }
    }

    /// Checks that the ledger signed it.
    ///
    /// One of the keys must have signed, and be of the checkpoint's origin; give several where the ledger's key was
    /// changed. A signature in the name and with the key ID of any of them that the key did not make is an error, also
    /// beside a good one. Signatures of other keys are ignored.
    ///
    /// - Throws: `VerificationError` with `notSigned`, `badSignature` or `wrongOrigin`.
    public func verified(by keys: [VerifierKey]) throws(VerificationError) -> VerifiedCheckpoint {
        var signers: [VerifierKey] = []
        var other: VerificationError?
        for key in keys {
            do throws(ProofError) {
                _ = try key.verifier.checkpoint(of: signedNote)
                if !signers.contains(key) { signers.append(key) }
            } catch {
                switch error.code {
                case .notSigned: break
                case .wrongOrigin: other = VerificationError(error)
                case .malformed, .badSignature, .notIncluded: throw VerificationError(error)
                }
            }
        }
        guard !signers.isEmpty else {
            let names = keys.map(\.description).joined(separator: ", ")
            throw other
                ?? VerificationError(
                    .notSigned,
                    keys.isEmpty
                        ? "no verifier key was given to check the checkpoint with"
                        : "the checkpoint of \(origin) has no signature of \(names)")
        }
        return VerifiedCheckpoint(checkpoint: self, signers: signers)
    }
}

/// A checkpoint of which it was checked that the ledger's key signed it. Only `SignedCheckpoint.verified(by:)` makes one.
public struct VerifiedCheckpoint: Hashable, Sendable {
    /// The checkpoint with its note.
    public let checkpoint: SignedCheckpoint

    /// Those of the given keys that signed it; at least one.
    public let signers: [VerifierKey]

    /// The ledger's name.
    public var origin: String { checkpoint.origin }

    /// The number of the last event that is covered.
    public var size: UInt64 { checkpoint.size }

    /// The root of the Merkle tree over the events 1...size.
    public var rootHash: LedgerHash { checkpoint.rootHash }
}
