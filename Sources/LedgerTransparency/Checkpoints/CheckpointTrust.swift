package import LedgerCore
package import LedgerStore

/// Which stored checkpoint is believed to be this ledger's, by whoever verifies.
package struct CheckpointTrust: Sendable {
    private let origin: String
    private let verifiers: [NoteVerifier]
    private let decision: @Sendable () -> FenceRecord?

    /// - Parameters:
    ///   - origin: `LEDGER_ORIGIN`.
    ///   - verifiers: one of these keys must have signed; where there is none, signatures are not checked.
    ///   - decision: what an operator has decided about an earlier fence: what was given up then states nothing.
    package init(
        origin: String, verifiers: [NoteVerifier],
        decision: @escaping @Sendable () -> FenceRecord? = { nil }
    ) {
        self.origin = origin
        self.verifiers = verifiers
        self.decision = decision
    }

    /// What is stored under the key `checkpoint` states; nil where it does not exist.
    package func statement(of stored: LedgerStore.StoredCheckpoint?) -> CheckpointStatement {
        guard let stored else { return .absent }
        let published: PublishedCheckpoint
        do throws(FormatError) {
            published = try PublishedCheckpoint(stored)
        } catch {
            return .refused(reason: "no checkpoint: \(error.message)")
        }
        guard published.checkpoint.origin.utf8.elementsEqual(origin.utf8) else {
            return .refused(reason: "a checkpoint of another origin")
        }
        guard verifiers.isEmpty || published.isSigned(byOneOf: verifiers) else {
            return .refused(reason: "a checkpoint that no trusted key has signed")
        }
        if decision()?.accepts(published.record) == true { return .absent }
        return .made(published.checkpoint)
    }
}
