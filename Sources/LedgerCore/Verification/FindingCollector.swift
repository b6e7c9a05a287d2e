/// The findings that were made but not reported yet, because one with a lower number may still
/// come.
struct FindingCollector: Sendable {
    /// About one event each.
    private var exact: [VerificationFinding] = []

    /// About several events together. What is wrong with one of them shows here too, so that these
    /// count only where nothing exact was found.
    private var coarse: [VerificationFinding] = []

    mutating func add(
        _ kind: FindingKind, at number: SequenceNumber, expected: String, actual: String
    ) {
        exact.append(
            VerificationFinding(
                sequenceNumber: number, kind: kind, expected: expected, actual: actual))
    }

    mutating func addCoarse(
        _ kind: FindingKind, from number: SequenceNumber, expected: String, actual: String
    ) {
        coarse.append(
            VerificationFinding(
                sequenceNumber: number, kind: kind, expected: expected, actual: actual))
    }

    /// The first finding up to a number, now that nothing below can come any more.
    func first(through number: SequenceNumber) -> VerificationFinding? {
        let settled = exact.filter { $0.sequenceNumber <= number }
        if let finding = settled.min(by: { $0.precedes($1) }) { return finding }
        // A checkpoint covers everything; a tile or the head says more exactly where.
        let finer = coarse.filter { $0.kind != .checkpointMismatch }
        return (finer.isEmpty ? coarse : finer).min(by: { $0.precedes($1) })
    }

    /// Forgets a finding about a record that was told, and what other records say of its number.
    mutating func remove(_ told: VerificationFinding) {
        coarse.removeAll { $0 == told }
        exact.removeAll { $0.kind.isOfRecord && $0.sequenceNumber == told.sequenceNumber }
    }
}
