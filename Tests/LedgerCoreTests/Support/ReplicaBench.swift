import Testing

@testable import LedgerCore

/// A replica's core on a bench: events go in by hand, at times of one's own choosing, and the effects are looked at.
///
/// With every event it checks what must always hold: every submission is answered once, with all of an event's answers
/// in one effect, or stands in the book, whose counts add up; and after a tick nothing is due.
final class ReplicaBench {
    /// Who submits on a bench.
    final class Caller: SubmissionCaller {
        func settle(_ answers: [SubmissionAnswer]) {}
    }

    private(set) var core: ReplicaCore
    private(set) var now = MonotonicInstant(nanoseconds: 7_000_000_000)
    /// What the wall clock says instead of a trusted time.
    var wall: WallClockReading?
    /// The store's revision as the next reading of the hint shows it.
    var storeRevision: Int64 = 100
    private let caller = Caller()
    private var nextToken: UInt64 = 1
    /// What was submitted and is not answered.
    private var open: Set<SubmissionToken> = []
    private var eventCount = 0

    static let me = SealerHint(address: "me:50052", id: "me")
    static let other = SealerHint(address: "other:50052", id: "other")
    static let third = SealerHint(address: "third:50052", id: "third")

    /// - Parameters:
    ///   - identity: how others reach this replica; without it nobody is elected, and everything is sealed here.
    ///   - state: the ledger that was read; nil while it is being loaded.
    init(
        identity: SealerHint? = me, state: LedgerState? = LedgerState(indexSeed: 7),
        wall: WallClockReading? = nil, settings: SealingSettings = SealingSettings()
    ) {
        core = ReplicaCore(settings: ReplicaSettings(identity: nil, sealing: settings))
        self.wall = wall
        if let state { send(.loaded(state)) }
        if let identity { send(.joined(as: identity)) }
    }

    /// A replica that knows of no others.
    static func alone(settings: SealingSettings = SealingSettings()) -> ReplicaBench {
        ReplicaBench(identity: nil, settings: settings)
    }

    /// A replica that follows another, with a link that is up.
    static func following(
        _ hint: SealerHint = other, wall: WallClockReading? = nil,
        settings: SealingSettings = SealingSettings()
    ) throws -> (ReplicaBench, LinkID) {
        let bench = ReplicaBench(wall: wall, settings: settings)
        let link = try required(bench.read(hint, revision: 50).connected)
        bench.send(.linkUp(link))
        #expect(bench.core.part == "following")
        return (bench, link)
    }

    /// A replica that holds the hint, under lease 1.
    static func sealing(settings: SealingSettings = SealingSettings()) throws -> ReplicaBench {
        let bench = ReplicaBench(settings: settings)
        let take = try required(bench.read(nil).take)
        bench.taken(take, lease: 1)
        #expect(bench.core.isSealer)
        return bench
    }

    // MARK: Events

    var moment: Moment {
        Moment(
            now: now,
            wall: wall ?? .trusted(milliseconds: 1_700_000_000_000 + now.nanoseconds / 1_000_000))
    }

    @discardableResult
    func send(_ event: ReplicaEvent) -> [ReplicaEffect] {
        switch event {
        case .submitted(let submission): open.insert(submission.token)
        case .forwarded(let submissions): open.formUnion(submissions.map(\.token))
        default: break
        }
        let effects = core.handle(event, at: moment)
        for answer in effects.answers {
            let token = answer.submission.token
            #expect(open.remove(token) != nil, "\(token) was answered and did not wait")
            #expect(answer.submission.caller === caller)
        }
        #expect(effects.count { if case .answer = $0 { true } else { false } } <= 1)
        if case .tick = event, let wake = core.nextWake {
            #expect(wake > now, "it asks to be woken in the past")
        }
        eventCount += 1
        // Thousands of events are counted again now and then only.
        if open.count < 100 || eventCount.isMultiple(of: 97) {
            #expect(core.book.inconsistencies(at: now) == [])
            #expect(Set(core.book.events.keys) == open)
        }
        return effects
    }

    func pass(milliseconds: Int64 = 0, microseconds: Int64 = 0) {
        now = now + Nanoseconds(milliseconds * 1_000_000 + microseconds * 1_000)
    }

    @discardableResult
    func tick(afterMilliseconds milliseconds: Int64 = 0) -> [ReplicaEffect] {
        pass(milliseconds: milliseconds)
        return send(.tick)
    }

    /// Ticks whenever the core asks for it, for so long.
    @discardableResult
    func run(milliseconds: Int64) -> [ReplicaEffect] {
        let end = now + .milliseconds(milliseconds)
        var effects: [ReplicaEffect] = []
        while let wake = core.nextWake, wake <= end {
            now = max(now, wake)
            effects += tick()
            // It was recorded as a failure; going on would never end.
            if let next = core.nextWake, next <= now { break }
        }
        now = end
        return effects
    }

    /// The wall clock is compared with those of etcd's members.
    @discardableResult
    func clock(_ wall: WallClockReading?) -> [ReplicaEffect] {
        self.wall = wall
        return send(.membersChecked(isFull: nil, releaseIsRefused: false))
    }

    /// The store turns out not to hold what was sealed.
    @discardableResult
    func fence() -> [ReplicaEffect] {
        send(.contradicted(.rolledBack(known: 9, found: 5)))
    }

    func watch(_ stream: StreamID) { core.watch(stream) }

    func takeRoomChanges() -> Set<StreamID> { core.takeRoomChanges() }

    // MARK: Submissions

    static func event(_ id: String, payload: [UInt8] = []) -> CertifiedEvent {
        guard
            let event = try? CertifiedEvent(
                eventID: Array(id.utf8), payload: payload, vepsSignature: [], vepsTimestamp: 0,
                metadata: [], submitter: [], limits: EventLimits())
        else { preconditionFailure("an invalid event in a test") }
        return event
    }

    /// - Parameter deadlineIn: milliseconds until the caller's own deadline.
    func submission(
        _ id: String, payload: [UInt8] = [], stream: UInt64? = nil, deadlineIn: Int64? = nil
    ) -> Submission {
        let event = Self.event(id, payload: payload)
        defer { nextToken += 1 }
        return Submission(
            token: SubmissionToken(rawValue: nextToken),
            stream: stream.map { StreamID(rawValue: $0) }, event: event,
            template: EntryTemplate(event), receivedAt: now,
            callerDeadline: deadlineIn.map { now + .milliseconds($0) },
            settings: core.settings.sealing, caller: caller)
    }

    /// Another replica forwards these, each as a unary call of its own.
    func forwarded(_ ids: String...) -> (tokens: [SubmissionToken], effects: [ReplicaEffect]) {
        let submissions = ids.map { id in
            let submission = submission(id)
            return Submission(
                token: submission.token, stream: nil, origin: .replica, event: submission.event,
                template: submission.template, receivedAt: now, commitBy: submission.commitBy,
                answerBy: submission.answerBy, caller: caller, label: 0)
        }
        return (submissions.map(\.token), send(.forwarded(submissions)))
    }

    @discardableResult
    func submit(
        _ id: String, payload: [UInt8] = [], stream: UInt64? = nil, deadlineIn: Int64? = nil
    ) -> (token: SubmissionToken, effects: [ReplicaEffect]) {
        let submission = submission(id, payload: payload, stream: stream, deadlineIn: deadlineIn)
        return (submission.token, send(.submitted(submission)))
    }

    @discardableResult
    func cancel(_ token: SubmissionToken) -> [ReplicaEffect] { send(.cancelled([token])) }

    // MARK: Sealing here

    /// Submits to an idle core and goes on until the transaction is sent.
    func transact(_ ids: String..., stream: UInt64? = nil) -> Proposal? {
        var plan: BatchPlan?
        for id in ids { plan = submit(id, stream: stream).effects.plan ?? plan }
        return plan.flatMap { propose($0) }
    }

    func propose(_ plan: BatchPlan) -> Proposal? { send(.proposed(Proposal(plan))).transmitted }

    @discardableResult
    func end(_ proposal: Proposal, _ result: TransmissionResult) -> [ReplicaEffect] {
        send(.transmissionEnded(proposal: proposal.id, result))
    }

    @discardableResult
    func apply(_ proposal: Proposal, revision: Int64) -> [ReplicaEffect] {
        end(proposal, .applied(Revision(rawValue: revision)))
    }

    /// Seals one event whole.
    func seal(_ id: String, revision: Int64) {
        if let proposal = transact(id) { apply(proposal, revision: revision) }
    }

    /// A look-up has found the same thing for all.
    func lookedUp(_ lookUp: LookUp, _ result: LookUpResult) -> [ReplicaEffect] {
        send(.lookedUp(block: lookUp.block, lookUp.items.map { ($0.submission.token, result) }))
    }

    /// What somebody else seals on top of this replica's head, as the store shows it.
    func foreign(_ id: String, revision: Int64) -> (LedgerObservation, BlockDigest)? {
        let other = ReplicaBench(
            identity: nil, state: core.state, settings: core.settings.sealing)
        other.now = now
        guard let proposal = other.transact(id),
            let block = try? BlockDigest(first: proposal.first, bytes: proposal.block)
        else { return nil }
        return (proposal.observed(at: revision), block)
    }

    // MARK: Electing and forwarding

    func reading(_ hint: SealerHint?, revision: Int64 = 0, lease: Int64? = nil) -> HintReading {
        storeRevision += 1
        return HintReading(
            hint: hint, revision: revision, readAt: storeRevision,
            lease: lease ?? (hint == nil ? 0 : 9))
    }

    /// Counter and hint were read on demand.
    @discardableResult
    func read(
        _ hint: SealerHint?, revision: Int64 = 0, lease: Int64? = nil, counter: Int64 = 5
    ) -> [ReplicaEffect] {
        let reading = reading(hint, revision: revision, lease: lease)
        return send(.hintRead(.success(reading, counter: Revision(rawValue: counter))))
    }

    /// The hint was seen with a head.
    @discardableResult
    func notice(_ hint: SealerHint?, revision: Int64 = 0, lease: Int64? = nil) -> [ReplicaEffect] {
        send(.noticedHint(reading(hint, revision: revision, lease: lease)))
    }

    /// The own hint was put.
    @discardableResult
    func taken(_ take: TakeAttempt, lease: Int64) -> [ReplicaEffect] {
        let reading = reading(Self.me, revision: storeRevision + 1, lease: lease)
        return send(.takeEnded(take, .taken(lease: lease, reading)))
    }

    /// A comparison failed.
    @discardableResult
    func lost(
        _ take: TakeAttempt, to hint: SealerHint?, revision: Int64 = 0, lease: Int64? = nil,
        counter: Int64 = 5
    ) -> [ReplicaEffect] {
        let reading = reading(hint, revision: revision, lease: lease)
        return send(.takeEnded(take, .lost(reading, counter: Revision(rawValue: counter))))
    }

    @discardableResult
    func linkDown(_ link: LinkID) -> [ReplicaEffect] { send(.linkDown(link, why: "a test")) }

    @discardableResult
    func answer(
        _ link: LinkID, _ token: SubmissionToken, _ outcome: ForwardOutcome
    ) -> [ReplicaEffect] {
        send(.answered(link, [(token, outcome)]))
    }

    /// The sealer has sealed it as this number.
    @discardableResult
    func sealed(
        _ link: LinkID, _ token: SubmissionToken, as number: UInt64
    ) -> [ReplicaEffect] {
        answer(link, token, .sealed(Self.seal(number)))
    }

    /// The sealer seals something else as this number first, so that it is known.
    func hear(of number: UInt64, over link: LinkID) {
        sealed(link, submit("heard of \(number)").token, as: number)
    }

    static func seal(_ number: UInt64) -> Seal {
        Seal(
            sequenceNumber: SequenceNumber(rawValue: number), eventHash: .zero,
            previousHash: .zero, sealedTimestamp: 0)
    }

    /// What stands in the ledger under a number.
    static func entry(
        _ id: String, as number: UInt64, payload: [UInt8] = [], signature: String = ""
    ) throws -> SealedEntry {
        let event = try CertifiedEvent(
            eventID: Array(id.utf8), payload: payload, vepsSignature: Array(signature.utf8),
            vepsTimestamp: 0, metadata: [], submitter: [], limits: EventLimits())
        let entry = Entry(
            sequenceNumber: SequenceNumber(rawValue: number), event: event, sealedTimestamp: 0,
            previousHash: .zero)
        return SealedEntry(entry: entry, eventHash: .zero)
    }
}

extension Proposal {
    /// Counter and head as the store shows them once it was applied.
    func observed(at revision: Int64) -> LedgerObservation {
        LedgerObservation(
            revision: Revision(rawValue: revision), head: head, headBytes: headBytes,
            format: base.format)
    }
}

extension SubmissionOutcome {
    /// The number as which it was sealed.
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
