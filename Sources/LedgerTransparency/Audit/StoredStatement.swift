package import LedgerCore
package import LedgerStore

/// What the store says of the whole ledger at one moment: what its events are verified against.
package struct StoredStatement: Hashable, Sendable {
    /// The stored head; the known one where what is stored is none.
    package let head: Head
    package let known: KnownHead
    package let firstBlockBeyondHead: SequenceNumber?
    package let checkpoint: CheckpointStatement

    package init(
        head: Head, known: KnownHead = KnownHead(), firstBlockBeyondHead: SequenceNumber? = nil,
        checkpoint: CheckpointStatement = .absent
    ) {
        self.head = head
        self.known = known
        self.firstBlockBeyondHead = firstBlockBeyondHead
        self.checkpoint = checkpoint
    }

    /// What is wrong with a ledger without events; nil where nothing is.
    package var findingOfEmptyLedger: VerificationFinding? {
        if let finding = known.finding(at: .empty) { return finding }
        if let number = firstBlockBeyondHead {
            return VerificationFinding(
                sequenceNumber: number, kind: .beyondHead, expected: "no event beyond the head",
                actual: "the block \(number)")
        }
        if let checkpoint = checkpoint.checkpoint,
            checkpoint.size > 0 || checkpoint.root != MerkleTree.emptyRoot
        {
            return VerificationFinding(
                sequenceNumber: .first, kind: .checkpointMismatch,
                expected: "events up to \(checkpoint.size)", actual: "no event")
        }
        return checkpoint.refusal(at: .first)
    }

    /// A run over a range of it, which must lie within its head.
    ///
    /// - Parameters:
    ///   - base: see `LedgerVerifier`.
    ///   - passesRecords: see `LedgerVerifier`.
    package func verifier(
        first: SequenceNumber, last: SequenceNumber, base: MerkleFrontier?,
        passesRecords: Bool = false
    ) -> LedgerVerifier {
        LedgerVerifier(
            first: first, last: last, head: head, known: known, base: base,
            checkpoint: checkpoint, firstBlockBeyondHead: firstBlockBeyondHead,
            passesRecords: passesRecords)
    }
}

extension VerificationFinding {
    /// Under a key of the ledger lies what no ledger has there.
    ///
    /// - Parameter number: the first number that was not looked at.
    package init(_ reason: LedgerInconsistency, before number: SequenceNumber) {
        self.init(
            sequenceNumber: number, kind: .entryMalformed, expected: "stored events",
            actual: "\(reason)")
    }
}

/// Reads what the store says of the whole ledger.
package struct StatementReader: Sendable {
    /// How long that may take.
    private static let timeout = Duration.seconds(10)

    private let store: LedgerStore
    private let trust: CheckpointTrust

    package init(_ store: LedgerStore, trust: CheckpointTrust) {
        self.store = store
        self.trust = trust
    }

    /// Reads counter, head, what lies beyond it and the checkpoint, all as they were at one moment.
    ///
    /// - Parameter known: the newest head that is known to have been sealed before this call.
    package func read(known: Head?) async throws(LedgerStoreError) -> StoredStatement {
        let known = known.flatMap { $0.sequence > .zero ? $0 : nil }
        do throws(LedgerStoreError) {
            let found = try await store.observeBeyond(timeout: Self.timeout)
            return StoredStatement(
                head: found.observation.head, known: KnownHead(head: known),
                firstBlockBeyondHead: found.firstBeyond,
                checkpoint: trust.statement(of: found.checkpoint))
        } catch {
            guard case .inconsistent(let reason) = error.code else { throw error }
            return StoredStatement(
                head: known ?? .empty, known: KnownHead(head: known, problem: "\(reason)"))
        }
    }
}
