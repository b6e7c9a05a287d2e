import LedgerCore

/// Which findings were counted already, by number and kind.
struct SeenFindings: Sendable {
    /// So many are told apart and counted; where more is wrong, how much says nothing more. About 2 MiB.
    static let limit = 65_536

    private struct Key: Hashable {
        let number: SequenceNumber
        let kind: FindingKind
    }

    private var keys: Set<Key> = []

    /// - Parameter isKept: whether a finding would be kept although it cannot be remembered here.
    /// - Returns: whether the finding is new.
    mutating func note(
        _ finding: VerificationFinding, isKept: (VerificationFinding) -> Bool
    ) -> Bool {
        let key = Key(number: finding.sequenceNumber, kind: finding.kind)
        if keys.contains(key) { return false }
        guard keys.count < Self.limit else { return isKept(finding) }
        keys.insert(key)
        return true
    }
}
