package import LedgerCore

/// How far the audit is, and what it found.
package struct AuditReport: Hashable, Sendable {
    /// Findings that are kept; more at once would be one disaster.
    package static let maxFindings = 16

    /// The pass that is under way, or was last; 0 before the first.
    package var pass: UInt64 = 0

    /// Whether a pass is under way that has not reached the head yet.
    package var isRunning = false

    /// The last number that was looked at in this pass.
    package var position = SequenceNumber.zero

    /// Everything up to this number was verified since the process started, and nothing was found up to there.
    package var verified = SequenceNumber.zero

    /// How long the last whole pass took, up to the head that it began with; nil before the first one's end.
    package var lastPass: Nanoseconds?

    /// What was found since the process started, in this order; none ever goes away.
    package internal(set) var findings: [VerificationFinding] = []

    /// Reads that failed, and were tried again.
    package var failures: UInt64 = 0

    /// Whether the last read failed.
    package var isFailing = false

    package init() {}

    /// The finding with the lowest number.
    package var firstFinding: VerificationFinding? {
        findings.min { ($0.sequenceNumber, $0.kind) < ($1.sequenceNumber, $1.kind) }
    }

    /// Keeps a finding.
    ///
    /// - Returns: false where it is known already, by number and kind, or there are too many.
    @discardableResult
    package mutating func note(_ finding: VerificationFinding) -> Bool {
        let isKnown = findings.contains {
            $0.sequenceNumber == finding.sequenceNumber && $0.kind == finding.kind
        }
        guard !isKnown, findings.count < Self.maxFindings else { return false }
        findings.append(finding)
        cap()
        return true
    }

    /// So much is verified, if nothing was found before.
    mutating func verified(through number: SequenceNumber) {
        verified = max(verified, number)
        cap()
    }

    private mutating func cap() {
        if let finding = firstFinding { verified = min(verified, finding.sequenceNumber.previous) }
    }
}

/// What is told when it happens.
package enum AuditNews: Hashable, Sendable {
    /// A pass has reached the head that it began with.
    case passEnded(UInt64, events: SequenceNumber, took: Nanoseconds)
    /// Something was found that was not known yet.
    case found(VerificationFinding)
    /// Reads have begun to fail.
    case failing
    /// Reads succeed again.
    case recovered
}

/// How fast and how often the audit verifies.
package struct AuditSettings: Hashable, Sendable {
    /// `LEDGER_AUDIT_EVENTS_PER_SECOND`: no more are verified in a second, but for the rest of a block.
    package var eventsPerSecond: Int
    /// `LEDGER_AUDIT_INTERVAL`: from the end of one pass to the beginning of the next.
    package var interval: Nanoseconds
    /// How often head and checkpoint are looked at.
    package var lookInterval = Nanoseconds.milliseconds(2_000)
    /// After a read that failed; twice as long after the next, up to `longestBackOff`.
    package var firstBackOff = Nanoseconds.milliseconds(500)
    package var longestBackOff = Nanoseconds.milliseconds(30_000)

    /// - Parameter eventsPerSecond: above 0.
    package init(eventsPerSecond: Int, interval: Nanoseconds) {
        precondition(eventsPerSecond > 0, "an audit that never verifies")
        self.eventsPerSecond = eventsPerSecond
        self.interval = interval
    }
}
