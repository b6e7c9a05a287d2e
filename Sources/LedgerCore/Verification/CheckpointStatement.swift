/// What is stored as the published checkpoint, as far as whoever verifies believes it.
package enum CheckpointStatement: Hashable, Sendable {
    /// Nothing is stored.
    case absent
    /// A checkpoint of this ledger.
    case made(Checkpoint)
    /// What is stored is no checkpoint, is one of another ledger, or is signed by nobody who is trusted. The reason is
    /// a few words.
    case refused(reason: String)

    package var checkpoint: Checkpoint? {
        if case .made(let checkpoint) = self { checkpoint } else { nil }
    }

    /// The finding about a checkpoint that is refused; nil for any other.
    ///
    /// - Parameter first: the first number of what is verified, for a checkpoint speaks of all events.
    package func refusal(at first: SequenceNumber) -> VerificationFinding? {
        guard case .refused(let reason) = self else { return nil }
        return VerificationFinding(
            sequenceNumber: first, kind: .checkpointMismatch,
            expected: "a checkpoint of this ledger", actual: reason)
    }
}
