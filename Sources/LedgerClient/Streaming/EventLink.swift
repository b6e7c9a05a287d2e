/// The place in the chain where reading stands: what the next event must be.
package struct EventLink: Sendable {
    /// The number that comes next.
    package private(set) var next: UInt64

    /// How many events were accepted.
    package private(set) var count: UInt64 = 0

    private var previousHash: String?
    private let checker: EventChecker

    /// Begins at a number; the first event's link is not known yet.
    package init(first: UInt64, checker: EventChecker) {
        next = first
        self.checker = checker
    }

    /// Accepts an event that has the next number, a right hash, and the link to the one before it.
    package mutating func accept(_ event: SealedEvent) throws(LedgerError) -> SealedEvent {
        guard event.sequenceNumber == next else {
            throw checker.corrupt("\(event.sequenceNumber) came where \(next) was due")
        }
        let event = try checker.checked(event)
        guard previousHash == nil || event.previousHash == previousHash else {
            throw checker.corrupt("event \(next) is not linked to the one before it")
        }
        previousHash = event.eventHash
        next += 1
        count += 1
        return event
    }
}
