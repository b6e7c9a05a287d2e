package import LedgerCore

/// How far the audit is, and what it found.
package struct AuditReport: Hashable, Sendable {
    /// Findings that are kept and logged, those with the lowest numbers; all are counted.
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

    /// What was found since the process started, by number and kind, each once; up to `SeenFindings.limit` are told apart.
    package private(set) var found = 0

    /// What is kept of it, in the order in which it was found. None goes away but for one with a lower number, where
    /// there are too many.
    package internal(set) var findings: [VerificationFinding] = []

    /// Reads that failed, and were tried again.
    package var failures: UInt64 = 0

    /// Whether the last read failed.
    package var isFailing = false

    package init() {}

    /// The finding with the lowest number.
    package var firstFinding: VerificationFinding? {
        findings.min { $0.precedes($1) }
    }

    /// Whether a finding that is not kept would be.
    func keeps(_ finding: VerificationFinding) -> Bool {
        findings.count < Self.maxFindings
            || findings.contains { finding.precedes($0) }
                && !findings.contains {
                    $0.sequenceNumber == finding.sequenceNumber && $0.kind == finding.kind
                }
    }

    /// Counts a finding that is new, and keeps it where there is room, or in place of the highest one.
    ///
    /// - Returns: whether it is kept.
    @discardableResult
    package mutating func note(_ finding: VerificationFinding) -> Bool {
        found += 1
        guard keeps(finding) else { return false }
        if findings.count == Self.maxFindings,
            let highest = findings.indices.max(by: { findings[$0].precedes(findings[$1]) })
        {
            findings.remove(at: highest)
        }
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
    /// A pass has reached the head that it began with; it is clean where it found nothing, known or new.
    case passEnded(UInt64, events: SequenceNumber, took: Nanoseconds, isClean: Bool)
    /// Something was found that was not known yet; it is kept where no more than enough has a lower number.
    case found(VerificationFinding, isKept: Bool)
    /// So much was found in all at the end of the first pass that left more than are kept. Told once.
    case foundMore(Int)
    /// Reads have begun to fail.
    case failing
    /// Reads succeed again.
    case recovered
}

/// How fast and how often the audit verifies.
package struct AuditSettings: Hashable, Sendable {
    /// `LEDGER_AUDIT_EVENTS_PER_SECOND`: no more are verified in a second, but for what is allowed in a
    /// `stretch` and the rest of a block; fewer where the store or the processors are busy.
    package var eventsPerSecond: Int
    /// `LEDGER_AUDIT_INTERVAL`: from the end of one pass to the beginning of the next.
    package var interval: Nanoseconds
    /// How often head and checkpoint are looked at.
    package var lookInterval = Nanoseconds.milliseconds(2_000)
    /// After a read that failed; twice as long after the next, up to `longestBackOff`.
    package var firstBackOff = Nanoseconds.milliseconds(500)
    package var longestBackOff = Nanoseconds.milliseconds(30_000)

    /// What the rate allows in this time is verified at once, and then waited for: blocks of few events would wake it
    /// hundreds of times a second, which costs more than verifying them.
    static let stretch = Nanoseconds.milliseconds(25)

    /// Restoring a tree takes as much of the rate as so many events for each of its tiles.
    static let eventsPerTile = 8

    /// Reading and verifying may take this part of the time that the rate allows. Where it takes more, the rate falls in
    /// proportion, but not below a quarter.
    static let usualShare = 0.1
    static let mostSlowness = 4.0
    /// How busy it is shows in what the rate allows within this time.
    static let sampleLength = Nanoseconds.milliseconds(1_000)

    /// - Parameter eventsPerSecond: above 0.
    package init(eventsPerSecond: Int, interval: Nanoseconds) {
        precondition(eventsPerSecond > 0, "an audit that never verifies")
        self.eventsPerSecond = eventsPerSecond
        self.interval = interval
    }
}
