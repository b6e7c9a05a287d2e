package import LedgerAPI

/// What the service found when it checked its stored bytes.
public struct VerificationReport: Sendable, Hashable {
    /// The first event whose bytes no longer match what the rest of the ledger says of it.
    public struct Finding: Sendable, Hashable {
        /// The event's number.
        public var sequenceNumber: UInt64

        /// What is wrong, such as `link_broken` or `block_missing`.
        public var kind: String

        /// What should be there.
        public var expected: String

        /// What is there.
        public var actual: String
    }

    /// Whether everything in the range is as it was sealed.
    public var isValid: Bool

    /// How many events were checked.
    public var eventsVerified: UInt64

    /// The first number of the range; 0 for an empty ledger.
    public var first: UInt64

    /// The last number of the range.
    public var last: UInt64

    /// What is wrong; nil where the range is valid.
    public var firstFinding: Finding?

    package init(_ message: Ledger_VerifyEventsResponse) {
        isValid = message.valid
        eventsVerified = message.eventsVerified
        first = message.first
        last = message.last
        if message.hasFirstFinding {
            firstFinding = Finding(
                sequenceNumber: message.firstFinding.sequenceNumber,
                kind: message.firstFinding.kind,
                expected: message.firstFinding.expected,
                actual: message.firstFinding.actual)
        }
    }
}
