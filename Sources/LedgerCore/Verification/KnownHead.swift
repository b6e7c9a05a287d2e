/// What whoever verifies knows of the head apart from what is stored: a store that was rolled back contradicts it
/// although it may be one whole ledger by itself.
package struct KnownHead: Hashable, Sendable {
    /// An event that was certainly sealed, by its head; nil where nothing is known.
    package var head: Head?
    /// Why the stored head is none: it does not decode, or contradicts the counter. What is verified then is the known
    /// one, and this is found at its end.
    package var problem: String?

    package init(head: Head? = nil, problem: String? = nil) {
        self.head = head
        self.problem = problem
    }

    /// What is wrong with a stored head that is given, apart from its own events; nil where nothing is.
    ///
    /// - Parameter head: the stored head; the known one where the stored one is none.
    package func finding(at head: Head) -> VerificationFinding? {
        if let problem {
            return VerificationFinding(
                sequenceNumber: max(.first, head.sequence), kind: .headMismatch,
                expected: "a head that agrees with the counter", actual: problem)
        }
        guard let known = self.head, known.sequence > head.sequence else { return nil }
        return VerificationFinding(
            sequenceNumber: head.sequence.next, kind: .headMismatch,
            expected: "events up to \(known.sequence), which were sealed",
            actual: "the last event is \(head.sequence)")
    }
}
