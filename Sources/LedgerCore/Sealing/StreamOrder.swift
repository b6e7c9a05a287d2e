/// Keeps the numbers that one stream's caller is told as sealed ascending (protocol.md 21).
///
/// An attempt that was lost sight of can seal an event after later events of its stream were sealed elsewhere. That
/// event is sealed, but not where the stream's order would have it: its caller is told as if it had been sealed
/// before, with the original.
package struct StreamOrder: Sendable {
    private var highest = SequenceNumber.zero

    package init() {}

    /// What the stream's caller is told next, in the order of submission.
    package mutating func next(
        _ outcome: SubmissionOutcome, of event: CertifiedEvent
    ) -> SubmissionOutcome {
        guard case .sealed(let seal, _) = outcome else { return outcome }
        if seal.sequenceNumber > highest {
            highest = seal.sequenceNumber
            return outcome
        }
        let entry = Entry(
            sequenceNumber: seal.sequenceNumber, event: event,
            sealedTimestamp: seal.sealedTimestamp, previousHash: seal.previousHash)
        return .duplicate(of: SealedEntry(entry: entry, eventHash: seal.eventHash))
    }
}
