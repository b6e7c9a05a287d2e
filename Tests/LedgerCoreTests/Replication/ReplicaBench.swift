import Testing

@testable import LedgerCore

/// A replica machine on a bench: events go in by hand, at times of one's own choosing, and the actions are looked at.
///
/// With every event it checks what must always hold: nobody is answered twice, and after a tick nothing is due.
final class ReplicaBench {
    private(set) var machine: ReplicaStateMachine
    private(set) var now = MonotonicInstant(nanoseconds: 7_000_000_000)
    /// The store's revision as the next reading shows it.
    var storeRevision: Int64 = 100
    private var nextToken: UInt64 = 1
    private var answered: Set<SubmissionToken> = []

    static let me = SealerHint(address: "me:50052", id: "me")
    static let other = SealerHint(address: "other:50052", id: "other")
    static let third = SealerHint(address: "third:50052", id: "third")

    init(
        identity: SealerHint? = me, ability: SealingAbility = .able,
        settings: SealingSettings = SealingSettings()
    ) {
        machine = ReplicaStateMachine(settings: ReplicaSettings(identity: nil, sealing: settings))
        if let identity { _ = send { $0.join(as: identity, at: $1) } }
        if ability != .loading { _ = send { $0.abilityChanged(ability, at: $1) } }
    }

    /// A replica that follows another, with a link that is up.
    static func following(
        _ hint: SealerHint = other, ability: SealingAbility = .able,
        settings: SealingSettings = SealingSettings()
    ) throws -> (ReplicaBench, LinkID) {
        let bench = ReplicaBench(ability: ability, settings: settings)
        let link = try required(bench.read(hint, revision: 50).connected)
        _ = bench.linkUp(link)
        #expect(bench.machine.part == "following")
        return (bench, link)
    }

    /// A replica that holds the hint, under lease 1.
    static func sealing(settings: SealingSettings = SealingSettings()) throws -> ReplicaBench {
        let bench = ReplicaBench(settings: settings)
        let take = try required(bench.read(nil).take)
        _ = bench.taken(take, lease: 1)
        #expect(bench.machine.isSealer)
        return bench
    }

    // MARK: Events

    @discardableResult
    func send(
        _ event: (inout ReplicaStateMachine, MonotonicInstant) -> [ReplicaAction]
    ) -> [ReplicaAction] {
        let actions = event(&machine, now)
        for token in actions.answeredTokens {
            #expect(answered.insert(token).inserted, "\(token) was answered twice")
        }
        return actions
    }

    func pass(milliseconds: Int64) {
        now = now + .milliseconds(milliseconds)
    }

    @discardableResult
    func tick(afterMilliseconds milliseconds: Int64 = 0) -> [ReplicaAction] {
        pass(milliseconds: milliseconds)
        let actions = send { $0.tick(at: $1) }
        if let wake = machine.nextWake { #expect(wake > now, "it asks to be woken in the past") }
        return actions
    }

    /// Ticks whenever the machine asks for it, for so long.
    @discardableResult
    func run(milliseconds: Int64) -> [ReplicaAction] {
        let end = now + .milliseconds(milliseconds)
        var actions: [ReplicaAction] = []
        while let wake = machine.nextWake, wake <= end {
            now = max(now, wake)
            actions += tick()
        }
        now = end
        return actions
    }

    func reading(_ hint: SealerHint?, revision: Int64 = 0, lease: Int64? = nil) -> HintReading {
        storeRevision += 1
        return HintReading(
            hint: hint, revision: revision, readAt: storeRevision,
            lease: lease ?? (hint == nil ? 0 : 9))
    }

    /// Counter and hint were read on demand.
    func read(
        _ hint: SealerHint?, revision: Int64 = 0, counter: Int64 = 5
    ) -> [ReplicaAction] {
        let reading = reading(hint, revision: revision)
        return send {
            $0.hintRead(.success(reading, counter: Revision(rawValue: counter)), at: $1)
        }
    }

    /// The hint was seen with a head.
    func notice(_ reading: HintReading) -> [ReplicaAction] {
        send { $0.noticed(reading, at: $1) }
    }

    func notice(_ hint: SealerHint?, revision: Int64 = 0) -> [ReplicaAction] {
        notice(reading(hint, revision: revision))
    }

    /// The own hint was put.
    func taken(_ take: Take, lease: Int64) -> [ReplicaAction] {
        let reading = reading(Self.me, revision: storeRevision + 1, lease: lease)
        return send { $0.takeEnded(take.id, .taken(lease: lease, reading), at: $1) }
    }

    /// A comparison failed.
    func lost(
        _ take: Take, to hint: SealerHint?, revision: Int64 = 0, lease: Int64? = nil,
        counter: Int64 = 5
    ) -> [ReplicaAction] {
        let reading = reading(hint, revision: revision, lease: lease)
        let counter = Revision(rawValue: counter)
        return send { $0.takeEnded(take.id, .lost(reading, counter: counter), at: $1) }
    }

    func linkUp(_ link: LinkID) -> [ReplicaAction] { send { $0.linkUp(link, at: $1) } }

    func linkDown(_ link: LinkID) -> [ReplicaAction] {
        send { $0.linkDown(link, why: "a test", at: $1) }
    }

    func answer(
        _ link: LinkID, _ token: SubmissionToken, _ outcome: ForwardOutcome
    ) -> [ReplicaAction] {
        send { $0.answered(link, [(token, outcome)], at: $1) }
    }

    /// The sealer has sealed it as this number.
    func sealed(_ link: LinkID, _ token: SubmissionToken, as number: UInt64) -> [ReplicaAction] {
        answer(link, token, .sealed(Self.seal(number)))
    }

    func sealedHere(
        _ token: SubmissionToken, _ outcome: SubmissionOutcome
    ) -> [ReplicaAction] {
        send { $0.sealedHere(token, outcome, at: $1) }
    }

    // MARK: Submissions

    func submission(
        _ id: String, payload: [UInt8] = [], stream: UInt64? = nil, deadlineIn: Int64? = nil
    ) -> Submission {
        let event = MachineBench.event(id, payload: payload)
        defer { nextToken += 1 }
        return Submission(
            token: SubmissionToken(rawValue: nextToken),
            stream: stream.map { StreamID(rawValue: $0) }, event: event,
            template: EntryTemplate(event), receivedAt: now,
            callerDeadline: deadlineIn.map { now + .milliseconds($0) },
            settings: machine.settings.sealing)
    }

    /// Submits an event.
    func submit(
        _ id: String, stream: UInt64? = nil, deadlineIn: Int64? = nil, head: UInt64 = 0
    ) -> (token: SubmissionToken, actions: [ReplicaAction]) {
        let submission = submission(id, stream: stream, deadlineIn: deadlineIn)
        let actions = send {
            $0.submit(submission, knownHead: SequenceNumber(rawValue: head), at: $1)
        }
        return (submission.token, actions)
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

/// One attempt to take the hint, as the driver sees it.
struct Take {
    let id: TakeID
    let hintRevision: Int64
    let counter: Revision?
}

extension [ReplicaAction] {
    private func firstOf<Value>(_ value: (ReplicaAction) -> Value?) -> Value? {
        lazy.compactMap(value).first
    }

    var take: Take? {
        firstOf {
            guard case .takeHint(let id, let revision, let counter) = $0 else { return nil }
            return Take(id: id, hintRevision: revision, counter: counter)
        }
    }

    var connected: LinkID? { firstOf { if case .connect(let link, _) = $0 { link } else { nil } } }

    var connectedTo: SealerHint? {
        firstOf { if case .connect(_, let hint) = $0 { hint } else { nil } }
    }

    var disconnected: [LinkID] {
        compactMap { if case .disconnect(let link) = $0 { link } else { nil } }
    }

    var readsHint: Bool { contains { if case .readHint = $0 { true } else { false } } }

    var renewed: Int64? {
        firstOf { if case .keepAlive(let lease) = $0 { lease } else { nil } }
    }

    var givenBack: Int64? { firstOf { if case .giveBack(let lease) = $0 { lease } else { nil } } }

    /// What is forwarded, batch by batch.
    var sent: [[SubmissionToken]] {
        compactMap { if case .send(_, let batch) = $0 { batch.map(\.token) } else { nil } }
    }

    var sentOver: LinkID? { firstOf { if case .send(let link, _) = $0 { link } else { nil } } }

    var sealedHere: [SubmissionToken] {
        compactMap { if case .sealHere(let submission) = $0 { submission.token } else { nil } }
    }

    var passed: [SubmissionToken] {
        compactMap { if case .pass(let submission) = $0 { submission.token } else { nil } }
    }

    var lookedUp: [SubmissionToken] {
        compactMap { if case .lookUp(let submission) = $0 { submission.token } else { nil } }
    }

    var originalsRead: [SequenceNumber] {
        compactMap { if case .readOriginal(_, let number) = $0 { number } else { nil } }
    }

    var outcomes: [SubmissionOutcome] {
        compactMap {
            switch $0 {
            case .answer(_, let outcome): outcome
            case .reject(_, let reason): .notSealed(reason)
            default: nil
            }
        }
    }

    var answeredTokens: [SubmissionToken] {
        compactMap {
            switch $0 {
            case .answer(let token, _): token
            case .reject(let submission, _): submission.token
            default: nil
            }
        }
    }

    /// What the own sealing machine is told to ask itself before it is said.
    var rejected: [SubmissionToken] {
        compactMap { if case .reject(let submission, _) = $0 { submission.token } else { nil } }
    }

    var withdrawn: [SubmissionToken] {
        compactMap { if case .withdraw(let token) = $0 { token } else { nil } }
    }

    var recalled: [SubmissionToken] {
        compactMap { if case .recall(_, let token) = $0 { token } else { nil } }
    }

    var reports: [ReplicaEvent] {
        compactMap { if case .report(let event) = $0 { event } else { nil } }
    }

    var isDrained: Bool { contains { if case .reportDrained = $0 { true } else { false } } }
}
