internal import LedgerVerify

/// What an export has written.
struct ExportReport: Encodable {
    private let format: String
    private let out: String
    private let first: UInt64
    private let last: UInt64
    private let resumedAt: UInt64?
    private let checkpointSize: UInt64?
    private let rootHash: String?
    private let verified: Bool

    /// - Parameters:
    ///   - resumedAt: The first number that was not there yet, where some were.
    ///   - checkpoint: The checkpoint that covers the events, where they were compared with one.
    ///   - isSigned: Whether the checkpoint's signature was checked.
    init(
        format: ExportFormat, out: String, first: UInt64, last: UInt64, resumedAt: UInt64?,
        checkpoint: SignedCheckpoint?, isSigned: Bool
    ) {
        self.format = format.rawValue
        self.out = out
        self.first = first
        self.last = last
        self.resumedAt = resumedAt
        checkpointSize = checkpoint?.size
        rootHash = checkpoint?.rootHash.hex
        verified = isSigned && checkpoint != nil
    }

    /// The report for people.
    var text: String {
        var fields = [
            ("exported", "events \(first) to \(last) as \(format) to \(Printable.escape(out))")
        ]
        if let resumedAt {
            fields.append(("resumed", "at number \(resumedAt); what was there was checked"))
        }
        if let checkpointSize, let rootHash {
            fields.append(("checkpoint", "\(checkpointSize) events, root \(rootHash)"))
        }
        fields.append(
            (
                "verified",
                verified
                    ? "yes: the signed checkpoint covers every event"
                    : "hashes and links only: --verifier-key names the key that must have signed"
            ))
        return EventText.table(fields)
    }
}
