/// Checks that what the service returns is what was submitted, and that its hash is right.
package struct EventChecker: Sendable {
    /// Whether hashes are recomputed; what was submitted is always compared.
    package let checksHashes: Bool

    /// Who answered, for messages.
    package let service: String

    package init(checksHashes: Bool, service: String) {
        self.checksHashes = checksHashes
        self.service = service
    }

    /// The answer to a submission that was sealed.
    package func checked(
        _ sealed: SealedEvent, answers event: CertifiedEvent
    ) -> Result<SealedEvent, LedgerError> {
        guard sealed.hasSameContent(as: event) else {
            return .failure(corruptSubmission("sealed an event other than the submitted one"))
        }
        guard !checksHashes || sealed.hasValidHash else {
            return .failure(corruptSubmission("sealed an event whose hash does not match it"))
        }
        return .success(sealed)
    }

    /// The failure of a submission: of a duplicate's original, content and hash must be right.
    ///
    /// Answers leave out the payload, and then the metadata, where they would be too large to
    /// send. What is missing is what was submitted, or the event would be no duplicate, and the
    /// hash shows that it is.
    package func checked(_ error: LedgerError, answers event: CertifiedEvent) -> LedgerError {
        guard case .duplicate(var original) = error.kind else { return error }
        if original.payload.isEmpty { original.payload = event.payload }
        if original.metadata.isEmpty { original.metadata = event.metadata }
        switch checked(original, answers: event) {
        case .success(let original):
            var completed = error
            completed.kind = .duplicate(original: original)
            return completed
        case .failure(let corrupt):
            return corrupt
        }
    }

    /// An event that was read.
    package func checked(_ event: SealedEvent) throws(LedgerError) -> SealedEvent {
        guard !checksHashes || event.hasValidHash else {
            throw corrupt("event \(event.sequenceNumber) does not match its hash")
        }
        return event
    }

    /// The error of a read whose answer contradicts itself or the question.
    package func corrupt(_ finding: String) -> LedgerError {
        LedgerError(.corrupt, sealed: nil, message: "Wrong answer of \(service): \(finding)")
    }

    private func corruptSubmission(_ finding: String) -> LedgerError {
        LedgerError(
            .corrupt, sealed: .unknown, message: "\(service) says that it \(finding)")
    }
}
