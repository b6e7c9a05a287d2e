package import LedgerCore

/// Decides what the continuous audit does next. Pure: whoever drives it performs the action and hands over the result.
///
/// ```
///  resting ──time──► look ──a head──► passing ──its head reached──► following ──interval over──► look
///     ▲                                │    ▲                          │  ▲
///     │                                └────┘ a finding:               └─ new events, looked for
///     └──── the head went back               on with the next tile
/// ```
///
/// A pass verifies everything from the first event to the head that it began with; following, what is sealed after
/// that, until the next pass is due. Each event is hashed once in a pass. Between two pages head and checkpoint are
/// looked at, so that what they contradict is found long before the pass comes there.
package struct AuditMachine: Sendable {
    /// What to do now.
    package enum Action: Hashable, Sendable {
        /// Read a `StoredStatement`, and hand it to `looked`.
        case look
        /// Restore the tree of so many leaves from the stored tiles, and hand it to `restored`.
        case restore(size: UInt64)
        /// Read what is needed, up to a head, and hand it to `took`. Each run of a pass begins with new reads.
        case read(LedgerVerifier.Need, run: AuditRun, through: SequenceNumber)
        /// Nothing before that moment.
        case wait(until: MonotonicInstant)
    }

    package private(set) var report = AuditReport()

    private let settings: AuditSettings
    private var pass: AuditPass?
    private var seen = SeenFindings()
    /// The next pass begins then, where none is under way.
    private var restsUntil = MonotonicInstant(nanoseconds: .min)
    /// What was verified has taken all that the rate allows until then.
    private var dueAt = MonotonicInstant(nanoseconds: .min)
    /// Of what was verified since `slowness` was reckoned: the time that the rate allows for it, and the time that it took.
    private var sample = (allowed: Nanoseconds.zero, worked: Nanoseconds.zero)
    /// So many times the time that the rate allows for them is let pass for events, 1...`AuditSettings.mostSlowness`.
    private var slowness = 1.0
    private var retriesAt: MonotonicInstant?
    private var failuresInARow = 0
    private var news: [AuditNews] = []
    private var hasToldOfMore = false

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
        // Also while it follows: where more is sealed than the rate allows, it never reaches the head.
        if let nextPass, now >= nextPass {
            pass = nil
            restsUntil = now
        }
        guard let pass else { return now < restsUntil ? .wait(until: restsUntil) : .look }
        let lookAt = pass.lookedAt + settings.lookInterval
        if now >= lookAt { return .look }
        switch pass.need {
        case .run(.nothing):
            return .wait(until: nextPass.map { min(lookAt, $0) } ?? lookAt)
        case .base where isAhead(at: now), .run(.block) where isAhead(at: now):
            return .wait(until: min(dueAt, lookAt))
        case .base(let size):
            return .restore(size: size)
        case .run(let need):
            return .read(
                need, run: AuditRun(pass: report.pass, first: pass.first),
                through: pass.head.sequence)
        }
    }

    /// Whether so much was verified that the rate asks for a pause.
    private func isAhead(at now: MonotonicInstant) -> Bool {
        dueAt > now + AuditSettings.stretch
    }

    /// When the next pass begins; nil before this one has reached the head that it began with.
    private var nextPass: MonotonicInstant? { pass?.endedAt.map { $0 + settings.interval } }

    // MARK: What came of it

    /// Takes what the store says of the whole ledger; it must have been read with `verifiedHead`, or a newer head, as
    /// what is known.
    package mutating func looked(_ statement: StoredStatement, at now: MonotonicInstant) {
        succeeded()
        if let refusal = statement.checkpoint.refusal(at: .first) { found(refusal) }
        let contradiction = statement.known.finding(at: statement.head)
        if let contradiction { found(contradiction) }
        guard let head = pass?.head else {
            begin(statement, at: now)
            return
        }
        guard statement.head.sequence >= head.sequence else {
            if contradiction == nil, let finding = KnownHead(head: head).finding(at: statement.head)
            {
                found(finding)
            }
            rest(at: now)
            return
        }
        pass?.lookedAt = now
        guard pass?.isAtHead == true, pass?.statement != statement else { return }
        pass?.follow(statement)
        settle(at: now)
    }

    /// Takes the tree below a run; nil where the tiles have none.
    package mutating func restored(_ base: MerkleFrontier?, at now: MonotonicInstant) {
        succeeded()
        guard case .base(let size) = pass?.need else { return }
        pass?.run(on: base)
        charge(TileStack.tilesToLoad(size: size).count * AuditSettings.eventsPerTile, at: now)
    }

    /// Takes what was needed.
    package mutating func took(_ answer: VerifierAnswer, at now: MonotonicInstant) {
        succeeded()
        guard let before = pass?.position else { return }
        pass?.consume(answer)
        charge(Int(clamping: before.distance(to: pass?.position ?? before)), at: now)
        settle(at: now)
    }

    /// Lets the time pass that so many events take.
    private mutating func charge(_ events: Int, at now: MonotonicInstant) {
        let length = Double(events) * 1e9 / Double(settings.eventsPerSecond)
        dueAt = max(dueAt, now) + Nanoseconds(rounding: length * slowness)
        sample.allowed = sample.allowed + Nanoseconds(rounding: length)
    }

    /// So long it took to read and to verify what was taken last, pauses left out. Where store or processors are
    /// busy it takes longer, and the audit slows down: it comes after everything else.
    package mutating func worked(for time: Nanoseconds) {
        sample.worked = sample.worked + time
        // Pages of many events and others of few even out.
        guard sample.allowed >= AuditSettings.sampleLength else { return }
        let share = Double(sample.worked.count) / Double(sample.allowed.count)
        slowness = min(max(share / AuditSettings.usualShare, 1), AuditSettings.mostSlowness)
        sample = (.zero, .zero)
    }

    /// A read showed something that no ledger has.
    package mutating func contradicted(_ reason: LedgerInconsistency, at now: MonotonicInstant) {
        succeeded()
        let finding = VerificationFinding(reason, before: pass?.position ?? .first)
        found(finding)
        guard pass != nil else {
            rest(at: now)
            return
        }
        pass?.goOn(behind: finding)
        settle(at: now)
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
        pass = AuditPass(statement, at: now)
        report.pass += 1
        report.isRunning = true
        report.position = .zero
    }

    private mutating func rest(at now: MonotonicInstant) {
        pass = nil
        report.isRunning = false
        restsUntil = now + settings.interval
    }

    private mutating func settle(at now: MonotonicInstant) {
        for finding in pass?.takePassed() ?? [] { found(finding) }
        guard let verifier = pass?.verifier else { return ended(at: now) }
        report.position = max(report.position, verifier.position.previous)
        if verifier.first == .first {
            report.verified(through: SequenceNumber(verifier.eventsVerified))
        }
        if let finding = verifier.finding {
            found(finding)
            pass?.goOn(behind: finding)
        }
        ended(at: now)
    }

    /// Notes that the pass has come to its head, where it has.
    private mutating func ended(at now: MonotonicInstant) {
        guard let pass, pass.isAtHead else { return }
        if !pass.hasFindings { verifiedHead = pass.head }
        guard pass.endedAt == nil else { return }
        self.pass?.endedAt = now
        report.isRunning = false
        report.lastPass = now - pass.beganAt
        news.append(
            .passEnded(
                report.pass, events: pass.head.sequence, took: now - pass.beganAt,
                isClean: !pass.hasFindings))
        if report.found > report.findings.count, !hasToldOfMore {
            hasToldOfMore = true
            news.append(.foundMore(report.found))
        }
    }

    private mutating func found(_ finding: VerificationFinding) {
        guard seen.note(finding, isKept: report.keeps) else { return }
        news.append(.found(finding, isKept: report.note(finding)))
    }
}

/// One run of a verifier: the pass that it belongs to, and where it began.
package struct AuditRun: Hashable, Sendable {
    package let pass: UInt64
    package let first: SequenceNumber
}
