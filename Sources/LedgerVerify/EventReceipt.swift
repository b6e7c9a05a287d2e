import LedgerCore

/// The proof that an event has its number, for checking without the ledger (C2SP tlog-proof; formats.md, "Receipt").
///
/// ```swift
/// let keys = [try VerifierKey("ledger.example.com/payments+b89bb6f9+AQOhB7...")]
/// let receipt = EventReceipt(proof: receiptFile, entry: entryFile)
/// let proved = try receipt.verify(with: keys)
/// print(proved.entry.sequenceNumber, proved.entry.eventID, proved.checkpoint.size)
/// ```
///
/// Nothing else is needed than the two files and a key that came from the ledger's operator on another way.
public struct EventReceipt: Hashable, Sendable {
    /// The longest proof that is read, in bytes: 64 hashes and a note.
    public static let maxProofByteCount = SignedCheckpoint.maxByteCount + 4096

    /// The receipt: the path, and the signed checkpoint that it leads to.
    public var proof: [UInt8]

    /// The event's canonical bytes, of which `event_hash` is the SHA-256.
    public var entry: [UInt8]

    /// Takes the bytes of both, unchecked.
    public init(proof: [UInt8], entry: [UInt8]) {
        self.proof = proof
        self.entry = entry
    }

    /// What a receipt says, once its form and its path were checked; of the signatures nothing is known.
    package struct Contents: Hashable, Sendable {
        package let entry: SealedEntry
        package let inclusion: InclusionProof
        package let checkpoint: SignedCheckpoint
    }

    /// Checks everything but the signatures.
    package func contents() throws(VerificationError) -> Contents {
        guard proof.count <= Self.maxProofByteCount else {
            throw VerificationError(
                .malformedReceipt, "the receipt has more than \(Self.maxProofByteCount) bytes")
        }
        let receipt: Receipt
        do throws(FormatError) {
            receipt = try Receipt(parsing: proof)
        } catch {
            throw VerificationError(.malformedReceipt, error.message)
        }
        let entry = try SealedEntry(decoding: self.entry)
        let checkpoint = try SignedCheckpoint(parsing: receipt.checkpoint)
        // No entry has the number 2^63 or above, so one that overflows matches none.
        let (number, overflows) = receipt.index.addingReportingOverflow(1)
        guard !overflows, entry.sequenceNumber == number else {
            throw VerificationError(
                .wrongNumber,
                "the entry has the number \(entry.sequenceNumber), the receipt is for the one "
                    + "behind \(receipt.index)")
        }
        let inclusion = InclusionProof(
            sequenceNumber: number, treeSize: checkpoint.size,
            path: receipt.path.map { LedgerHash($0) })
        try inclusion.verify(entry, in: checkpoint)
        return Contents(entry: entry, inclusion: inclusion, checkpoint: checkpoint)
    }

    /// Checks that the ledger of one of these keys has the entry at the number that it carries.
    ///
    /// - Parameter keys: The ledger's verifier key; several where it was changed.
    /// - Throws: `VerificationError`, whose code says which step failed.
    public func verify(with keys: [VerifierKey]) throws(VerificationError) -> ProvedEvent {
        let contents = try self.contents()
        let checkpoint = try contents.checkpoint.verified(by: keys)
        return ProvedEvent(
            entry: contents.entry, inclusion: contents.inclusion, checkpoint: checkpoint)
    }
}

/// An event of which a receipt proves that it has its number.
public struct ProvedEvent: Hashable, Sendable {
    /// The event.
    public let entry: SealedEntry

    /// The way from the event to the checkpoint's root.
    public let inclusion: InclusionProof

    /// The checkpoint that covers it.
    public let checkpoint: VerifiedCheckpoint
}
