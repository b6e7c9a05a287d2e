package import LedgerCore

/// Decides what the continuous audit does next. Pure: whoever drives it performs the action and hands over the result.
///
/// ```
///  resting ──time──► look ──a head──► passing ──its head reached──► following ──interval over──► look
///     ▲                                  │                              │  ▲
///     └──────────── a finding ───────────┴──────────────────────────────┘  └─ new events, looked for
/// ```
///
/// A pass verifies everything from the first event to the head that it began with; following, what is sealed after
/// that. Each event is hashed once in a pass. Between two pages head and checkpoint are looked at, so that what they
/// contradict is found long before the pass comes there.
package struct AuditMachine: Sendable {
    /// What to do now.
    package enum Action: Hashable, Sendable {
        /// Read a `StoredStatement`, and hand it to `looked`.
        case look
        /// Read what is needed, up to a head, and hand it to `took`. A new pass begins with new reads.
        case read(LedgerVerifier.Need, pass: UInt64, through: SequenceNumber)
        /// Nothing before that moment.
        case wait(until: MonotonicInstant)
    }

    /// A verifier on its way, from the first event on.
    private struct Run {
        var verifier: LedgerVerifier
        var statement: StoredStatement
        let beganAt: MonotonicInstant
        /// When the pass reached its head; from then on new events are followed.
        var endedAt: MonotonicInstant?
        var lookedAt: MonotonicInstant

        var isAtHead: Bool { verifier.need == .nothing }
    }

    package private(set) var report = AuditReport()

    private let settings: AuditSettings
    private var run: Run?
    /// The next pass begins then, where none is under way.
    private var restsUntil = MonotonicInstant(nanoseconds: .min)
    /// The next block may be verified then.
    private var dueAt = MonotonicInstant(nanoseconds: .min)
    private var retriesAt: MonotonicInstant?
    private var failuresInARow = 0
    private var news: [AuditNews] = []

    /// The newest head whose every event was verified: the store must never show less, or another past.
    package private(set) var verifiedHead: Head?

    package init(_ settings: AuditSettings) {
        self.settings = settings
    }

    /// What happened since this was asked last.
    package mutating func takeNews() -> [AuditNews] {
        defer { news = [] }
        return news
    }

    // MARK: What to do

    package mutating func next(at now: MonotonicInstant) -> Action {
        if let retriesAt, now < retriesAt { return .wait(until: retriesAt) }
        if let endedAt = run?.endedAt, run?.isAtHead == true, now >= endedAt + settings.interval {
            run = nil
            restsUntil = now
        }
        guard let run else { return now < restsUntil ? .wait(until: restsUntil) : .look }
        let lookAt = run.lookedAt + settings.lookInterval
        if now >= lookAt { return .look }
        switch run.verifier.need {
        case .nothing:
            return .wait(until: run.endedAt.map { min(lookAt, $0 + settings.interval) } ?? lookAt)
        case .block where now < dueAt:
            return .wait(until: min(dueAt, lookAt))
        case .block, .tile, .segment:
            return .read(
                run.verifier.need, pass: report.pass, through: run.verifier.head.sequence)
        }
    }

    // MARK: What came of it

    /// Takes what the store says of the whole ledger; it must have been read with `verifiedHead`, or a newer head, as
    /// what is known.
    package mutating func looked(_ statement: StoredStatement, at now: MonotonicInstant) {
        succeeded()
        if let refusal = statement.checkpoint.refusal(at: .first) { found(refusal) }
        if let finding = statement.known.finding(at: statement.head) {
            end(with: finding, at: now)
            return
        }
        guard run != nil else {
            begin(statement, at: now)
            return
        }
        run?.lookedAt = now
        guard run?.isAtHead == true, run?.statement != statement else { return }
        run?.statement = statement
        run?.verifier.follow(
            statement.head, known: statement.known, checkpoint: statement.believed,
            firstBlockBeyondHead: statement.firstBlockBeyondHead)
        settle(at: now)
    }

    /// Takes what was needed.
    package mutating func took(_ answer: VerifierAnswer, at now: MonotonicInstant) {
        succeeded()
        guard let before = run?.verifier.position else { return }
        run?.verifier.consume(answer)
        let count = before.distance(to: run?.verifier.position ?? before)
        let length = Double(count) * 1e9 / Double(settings.eventsPerSecond)
        dueAt = max(dueAt, now) + Nanoseconds(Int64(length))
        settle(at: now)
    }

    /// A read showed something that no ledger has.
    package mutating func contradicted(_ reason: LedgerInconsistency, at now: MonotonicInstant) {
        succeeded()
        end(
            with: VerificationFinding(reason, before: run?.verifier.position ?? .first), at: now)
    }

    /// A read failed: nothing is known, and it is tried again.
    package mutating func failed(at now: MonotonicInstant) {
        let backOff = settings.firstBackOff * (1 << Int64(min(failuresInARow, 16)))
        retriesAt = now + min(backOff, settings.longestBackOff)
        failuresInARow += 1
        report.failures += 1
        if !report.isFailing { news.append(.failing) }
        report.isFailing = true
    }

    private mutating func succeeded() {
        retriesAt = nil
        failuresInARow = 0
        if report.isFailing { news.append(.recovered) }
        report.isFailing = false
    }

    // MARK: Passes

    private mutating func begin(_ statement: StoredStatement, at now: MonotonicInstant) {
        guard statement.head != .empty else {
            if let finding = statement.findingOfEmptyLedger { found(finding) }
            restsUntil = now + settings.lookInterval
            return
        }
        let believed = StoredStatement(
            head: statement.head, known: statement.known,
            firstBlockBeyondHead: statement.firstBlockBeyondHead, checkpoint: statement.believed)
        run = Run(
            verifier: believed.verifier(
                first: .first, last: statement.head.sequence, base: MerkleFrontier()),
            statement: statement, beganAt: now, lookedAt: now)
        report.pass += 1
        report.isRunning = true
        report.position = .zero
    }

    private mutating func settle(at now: MonotonicInstant) {
        guard let run else { return }
        report.position = run.verifier.position.previous
        if let finding = run.verifier.finding {
            report.verified(through: finding.sequenceNumber.previous)
            end(with: finding, at: now)
            return
        }
        report.verified(through: SequenceNumber(run.verifier.eventsVerified))
        guard run.isAtHead else { return }
        verifiedHead = run.verifier.head
        if run.endedAt == nil {
            self.run?.endedAt = now
            report.isRunning = false
            report.lastPass = now - run.beganAt
            news.append(
                .passEnded(
                    report.pass, events: run.verifier.head.sequence, took: now - run.beganAt))
        }
    }

    /// Ends the pass: what comes after a finding cannot be told from what follows of it. The next one begins at the
    /// first event again.
    private mutating func end(with finding: VerificationFinding, at now: MonotonicInstant) {
        found(finding)
        run = nil
        report.isRunning = false
        restsUntil = now + settings.interval
    }

    private mutating func found(_ finding: VerificationFinding) {
        if report.note(finding) { news.append(.found(finding)) }
    }
}

extension StoredStatement {
    /// The checkpoint for a verifier: that one is refused is told when it is read, and no reason to end the pass.
    fileprivate var believed: CheckpointStatement {
        if case .refused = checkpoint { .absent } else { checkpoint }
    }
}
