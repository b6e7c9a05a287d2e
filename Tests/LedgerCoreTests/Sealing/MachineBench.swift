import Testing

@testable import LedgerCore

/// A state machine on a bench: events go in by hand, at times of one's own choosing, and the actions are looked at.
struct MachineBench {
    var machine: SealingStateMachine
    var now: Int64 = 0
    var wallIsTrusted = true
    /// What the wall clock says instead.
    var wall: WallClockReading?
    private var nextToken: UInt64 = 1

    /// A machine that has loaded an empty ledger.
    init(settings: SealingSettings = SealingSettings()) {
        machine = SealingStateMachine(settings: settings)
        _ = machine.loaded(LedgerState(indexSeed: 7), at: moment)
    }

    var moment: Moment {
        Moment(
            now: MonotonicInstant(nanoseconds: now),
            wall: wall != nil
                ? wall ?? .untrusted
                : wallIsTrusted
                    ? .trusted(milliseconds: 1_700_000_000_000 + now / 1_000_000) : .untrusted)
    }

    mutating func pass(milliseconds: Int64) {
        now += milliseconds * 1_000_000
    }

    /// Lets time pass and ticks.
    mutating func tick(afterMilliseconds milliseconds: Int64) -> [SealingAction] {
        pass(milliseconds: milliseconds)
        return machine.tick(at: moment)
    }

    static func event(_ id: String, payload: [UInt8] = []) -> CertifiedEvent {
        guard
            let event = try? CertifiedEvent(
                eventID: Array(id.utf8), payload: payload, vepsSignature: [], vepsTimestamp: 0,
                metadata: [], submitter: [], limits: EventLimits())
        else { preconditionFailure("an invalid event in a test") }
        return event
    }

    mutating func submission(
        _ id: String, payload: [UInt8] = [], stream: StreamID? = nil, deadlineIn: Int64? = nil
    ) -> Submission {
        let event = Self.event(id, payload: payload)
        defer { nextToken += 1 }
        return Submission(
            token: SubmissionToken(rawValue: nextToken), stream: stream, event: event,
            template: EntryTemplate(event), receivedAt: moment.now,
            callerDeadline: deadlineIn.map { MonotonicInstant(nanoseconds: now + $0 * 1_000_000) },
            settings: machine.settings)
    }

    mutating func submit(_ id: String, payload: [UInt8] = [], stream: StreamID? = nil)
        -> [SealingAction]
    {
        let submission = submission(id, payload: payload, stream: stream)
        return machine.submit(submission, at: moment)
    }

    /// Submits to an idle machine and goes on until the transaction is sent.
    mutating func send(_ ids: String...) -> Proposal? {
        var plan: BatchPlan?
        for id in ids { plan = submit(id).plan ?? plan }
        return plan.flatMap { propose($0) }
    }

    mutating func propose(_ plan: BatchPlan) -> Proposal? {
        machine.proposed(Proposal(plan), at: moment).transmitted
    }

    mutating func end(_ proposal: Proposal, _ result: TransmissionResult) -> [SealingAction] {
        machine.transmissionEnded(proposal: proposal.id, result, at: moment)
    }

    /// A look-up has found the same thing for all.
    mutating func lookedUp(_ lookUp: LookUp, _ result: LookUpResult) -> [SealingAction] {
        machine.lookedUp(
            lookUp.block, lookUp.items.map { ($0.submission.token, result) }, at: moment)
    }

    /// Seals one event whole.
    mutating func seal(_ id: String, revision: Int64) {
        if let proposal = send(id) {
            _ = end(proposal, .applied(Revision(rawValue: revision)))
        }
    }

    /// What somebody else seals on top of this machine's head, as the store shows it.
    func foreign(_ id: String, revision: Int64) -> (LedgerObservation, BlockDigest)? {
        guard let state = machine.state else { return nil }
        var other = MachineBench(settings: machine.settings)
        other.machine.state = state
        other.now = now
        guard let proposal = other.send(id),
            let block = try? BlockDigest(first: proposal.first, bytes: proposal.block)
        else { return nil }
        return (
            LedgerObservation(
                revision: Revision(rawValue: revision), head: proposal.head,
                headBytes: proposal.headBytes), block
        )
    }
}

extension [SealingAction] {
    var plan: BatchPlan? {
        lazy.compactMap { if case .propose(let plan) = $0 { plan } else { nil } }.first
    }

    var transmitted: Proposal? {
        lazy.compactMap { if case .transmit(let proposal) = $0 { proposal } else { nil } }.first
    }

    var observation: ObservationID? {
        lazy.compactMap { if case .observe(let id) = $0 { id } else { nil } }.first
    }

    var readsBlocks: Bool {
        contains { if case .readBlocks = $0 { true } else { false } }
    }

    var reloads: Bool {
        contains { if case .reload = $0 { true } else { false } }
    }

    var lookedUp: [Submission] {
        lookUps.flatMap { $0.items.map(\.submission) }
    }

    var lookUps: [LookUp] {
        compactMap { if case .lookUp(let lookUp) = $0 { lookUp } else { nil } }
    }

    var outcomes: [SubmissionOutcome] {
        compactMap { if case .answer(_, let outcome) = $0 { outcome } else { nil } }
    }

    var isFencing: Bool {
        contains { if case .reportFenced = $0 { true } else { false } }
    }
}

extension SubmissionOutcome {
    var number: UInt64? {
        if case .sealed(let seal, _) = self { seal.sequenceNumber.rawValue } else { nil }
    }
}

/// `#require` for what a mutating call returned, which the macro cannot take apart.
func required<Value>(
    _ value: Value?, sourceLocation: SourceLocation = #_sourceLocation
) throws -> Value {
    try #require(value, sourceLocation: sourceLocation)
}
