import LedgerCore

/// The public half of a witness's key, with its name: `name+key ID+base64` (C2SP tlog-cosignature).
///
/// A witness signs a checkpoint only where it continues every one that it has signed before: with its cosignature a
/// ledger cannot show somebody else another history of the same numbers unseen.
public struct WitnessKey: Hashable, Sendable, CustomStringConvertible {
    let verifier: CosignatureVerifier

    /// Reads the text that `ledgerctl witness` prints when it starts.
    ///
    /// - Throws: `VerificationError` where the text is none, or its key ID does not belong to its key.
    public init(_ text: String) throws(VerificationError) {
        guard text.utf8.count <= VerifierKey.maxByteCount else {
            throw VerificationError(
                .malformedKey, "a witness's key has at most \(VerifierKey.maxByteCount) bytes")
        }
        do throws(FormatError) {
            verifier = try CosignatureVerifier(parsing: text)
        } catch {
            throw VerificationError(.malformedKey, error.message)
        }
    }

    /// The witness's name.
    public var name: String { verifier.name }

    /// `name+key ID+base64`.
    public var description: String { verifier.verifierKey }
}

/// A witness's cosignature that was checked.
public struct VerifiedCosignature: Hashable, Sendable {
    public let witness: WitnessKey

    /// When the witness signed, by its own clock, in seconds since 1970.
    public let timestamp: UInt64
}

extension SignedCheckpoint {
    /// The cosignatures of these witnesses, in the order of the keys; those of others are ignored.
    ///
    /// - Parameter quorum: how many of them must have cosigned.
    /// - Throws: `VerificationError` with `notSigned` where fewer have, with `badSignature` where a cosignature in the
    ///   name and with the key ID of one of them is not by its key.
    public func cosignatures(
        by keys: [WitnessKey], quorum: Int = 0
    ) throws(VerificationError) -> [VerifiedCosignature] {
        var found: [VerifiedCosignature] = []
        for key in keys where !found.contains(where: { $0.witness == key }) {
            do throws(ProofError) {
                let cosignature = try key.verifier.cosignature(of: signedNote)
                found.append(
                    VerifiedCosignature(witness: key, timestamp: cosignature.timestamp))
            } catch {
                guard error.code == .notSigned else { throw VerificationError(error) }
            }
        }
        guard found.count >= quorum else {
            throw VerificationError(
                .notSigned,
                "\(found.count) of the given witnesses have cosigned the checkpoint; \(quorum) must have"
            )
        }
        return found
    }
}
