/// The first place where the stored ledger contradicts itself.
package struct VerificationFinding: Hashable, Sendable, CustomStringConvertible {
    /// The first number whose bytes no longer match what the next event, its tile, its block or the
    /// head says of it. Of a statement about several events together (a subtree root, a checkpoint)
    /// it is the first of them that lies in the verified range.
    package let sequenceNumber: SequenceNumber

    package let kind: FindingKind

    /// What the other record says: a hash, a number or a few words. Never a payload.
    package let expected: String

    /// What the bytes give.
    package let actual: String

    package init(
        sequenceNumber: SequenceNumber, kind: FindingKind, expected: String, actual: String
    ) {
        self.sequenceNumber = sequenceNumber
        self.kind = kind
        self.expected = expected
        self.actual = actual
    }

    /// Whether it comes before another: the lower number, and then the kind.
    package func precedes(_ other: VerificationFinding) -> Bool {
        (sequenceNumber, kind) < (other.sequenceNumber, other.kind)
    }

    package var description: String {
        "\(kind.rawValue) at number \(sequenceNumber): expected \(expected), found \(actual)"
    }
}
