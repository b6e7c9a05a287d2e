import LedgerCore

/// Why something is not proved: which step failed, and how.
///
/// The message names numbers, hashes and keys; never a payload.
public struct VerificationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The step that failed.
    public enum Code: String, Hashable, Sendable {
        /// The text is no verifier key, or its key ID does not belong to it.
        case malformedKey = "malformed_key"
        /// The bytes are no entry (formats.md, "Entry").
        case malformedEntry = "malformed_entry"
        /// The bytes are no checkpoint in a signed note (formats.md, "Checkpoint").
        case malformedCheckpoint = "malformed_checkpoint"
        /// The bytes are no receipt (formats.md, "Receipt").
        case malformedReceipt = "malformed_receipt"
        /// None of the keys signed the checkpoint.
        case notSigned = "not_signed"
        /// A signature in a key's name that the key did not make.
        case badSignature = "bad_signature"
        /// A checkpoint of another ledger.
        case wrongOrigin = "wrong_origin"
        /// An entry has another number than its place.
        case wrongNumber = "wrong_number"
        /// An entry's bytes do not give the hash that is said to be theirs.
        case wrongHash = "wrong_hash"
        /// An entry's previous hash is not the hash of the entry before it.
        case linkBroken = "link_broken"
        /// An entry was sealed at an earlier time than the one before it.
        case timestampBackwards = "timestamp_backwards"
        /// The path does not lead from the entry to the root.
        case notIncluded = "not_included"
        /// The path does not show that the smaller tree is the beginning of the larger one.
        case notConsistent = "not_consistent"
        /// The entries give another root than the checkpoint has.
        case wrongRoot = "wrong_root"
        /// There are fewer entries than the checkpoint covers.
        case incomplete
    }

    public let code: Code

    /// What was expected and what was found, in a sentence for people. It may repeat text from the bytes that were
    /// checked: escape it before it goes to a terminal.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}

extension VerificationError {
    /// What a proof of `LedgerCore` that failed means.
    init(_ error: ProofError) {
        switch error.code {
        case .malformed: self.init(.malformedCheckpoint, error.message)
        case .notSigned: self.init(.notSigned, error.message)
        case .badSignature: self.init(.badSignature, error.message)
        case .wrongOrigin: self.init(.wrongOrigin, error.message)
        case .notIncluded: self.init(.notIncluded, error.message)
        }
    }
}
