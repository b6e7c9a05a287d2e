/// Decides what a replica seals, what an answer of etcd means, and what every caller is told.
///
/// It has no I/O, no clock and no randomness: the driver sends it events together with the moment at which
/// they happened, performs the actions that it returns, and reports their results as events. The rules are
/// PROTOCOL.md's; each stands beside the code that follows it.
///
/// ```
///  loading ──loaded──► idle ──queue not empty──► building ──proposed──► committing ──applied──► idle
///                       ▲ │                                              │  ▲   │
///                       │ └─noticed a newer head─► catchingUp ◄──moved────┘  │   └─refused─► idle (pause)
///                       └───────blocks read────────────┘        unchanged: the identical transaction
///  any of them ──the store shows another past──► fenced
/// ```
///
/// At most one transaction is in doubt at any time: a new one is built only in `idle`, and `committing` is left
/// only when the fate of its transaction is certain.
package struct SealingStateMachine: Sendable {
    enum Phase: Sendable {
        /// The ledger has not been read yet.
        case loading
        /// Nothing is under way; a new batch may be built from `pausedUntil` on.
        case idle
        /// The batch is being hashed. Nothing was sent yet.
        case building(BatchPlan)
        /// A transaction was sent and its fate is not certain.
        case committing(InFlight)
        /// Blocks sealed by others are being read.
        case catchingUp(CatchUp)
        /// The store shows another past than this replica knows; nothing is sealed until an operator decided.
        case fenced(LedgerInconsistency)
    }

    package let settings: SealingSettings
    /// What is known of the ledger; nil until it has been read.
    package internal(set) var state: LedgerState?
    var phase: Phase = .loading
    var queue = SubmissionQueue()
    var lookUps: LookUpBook
    /// Those whose callers have gone while their batch was being hashed: once it is sent they are answered, and they come
    /// back in no other one (PROTOCOL.md 6).
    var goneWhileBuilding: Set<SubmissionToken> = []
    package internal(set) var limiter: BatchLimiter
    package internal(set) var isStopping = false
    var reportedDrained = false
    /// No batch is built before this: etcd could not be reached a moment ago.
    var pausedUntil: MonotonicInstant?
    var pause = Nanoseconds.milliseconds(1)
    var gathering: Gathering
    /// Until when the next batch waits for company; nil where it does not.
    var heldUntil: MonotonicInstant?
    /// Whether the last thing tried at the store failed, for what waiting callers are told.
    var storeIsUnavailable = false
    /// Why counter and head could not be read when that was tried last; nil where they could.
    package internal(set) var unreadable: NotSealedReason?
    /// Whether etcd said last that it has no space.
    package internal(set) var storeIsFull = false
    /// Whether a member runs a release that can lose what it has committed.
    package internal(set) var releaseIsRefused = false
    /// The transaction that was open when the fence fell.
    var openAtFence: Proposal?
    /// Reads of counter and head, one after another, that made no sense.
    var malformedInARow = 0
    var nextProposal: UInt64 = 1
    var nextObservation: UInt64 = 1
    /// Whether this replica goes on at once after a lost race: the one that holds the hint does, the others give
    /// way (PROTOCOL.md 18).
    package var hasPrecedence = true
    /// Races lost one after another.
    var lostInARow = 0
    private var random: UInt64

    /// - Parameter seed: of the back-off after lost races; replicas that share one would go on in step.
    package init(settings: SealingSettings, seed: UInt64 = 0) {
        random = seed
        self.settings = settings
        limiter = BatchLimiter(settings: settings)
        gathering = Gathering(contract: settings.commitDeadline)
        lookUps = LookUpBook(maxRunning: settings.maxLookUps)
    }

    // MARK: What it shows

    /// Why nothing is sealed any more; nil while not fenced.
    package var fence: LedgerInconsistency? {
        if case .fenced(let reason) = phase { reason } else { nil }
    }

    package var isLoading: Bool {
        if case .loading = phase { true } else { false }
    }

    package var queuedEvents: Int { queue.count }

    /// How many look-ups of index hits are under way, and how many wait for their turn.
    package var lookUpCounts: (running: Int, waiting: Int) {
        (lookUps.runningCount, lookUps.waitingCount)
    }

    /// Whether an event with this fingerprint is in a transaction of this replica whose fate is open. Whoever answers for
    /// this replica has to ask before it rejects with certainty (PROTOCOL.md 3).
    package func mayStillSeal(_ fingerprint: Fingerprint) -> Bool {
        (inFlight?.proposal ?? openAtFence)?.contains(fingerprint) ?? false
    }

    /// What a submission would be told now, whatever it is and however many wait; nil where it would be sealed.
    package func obstacle(at moment: Moment) -> NotSealedReason? {
        switch phase {
        case .fenced(let reason): return reason.refusal
        case .loading: return isStopping ? .stopping : .starting
        case .idle, .building, .committing, .catchingUp: break
        }
        if isStopping { return .stopping }
        if let hindrance = hindrance(at: moment) { return hindrance }
        // Nothing can be sealed before the open transaction is settled, and that takes longer than anyone waits.
        if isInDoubt(at: moment.now) { return .storeUnavailable }
        return storeIsFull ? .storageFull : nil
    }

    /// Why no batch may be built at present.
    func hindrance(at moment: Moment) -> NotSealedReason? {
        if releaseIsRefused { return .releaseRefused }
        // An untrusted clock would spoil sealed_timestamp for ever (PROTOCOL.md 22).
        switch moment.wall {
        case .trusted: return unreadable
        case .untrusted: return .clockUntrusted
        case .unsampled: return unreadable ?? .clockUnsampled
        }
    }

    // MARK: Streams that wait

    /// How many events of a stream wait.
    package func waitingCount(of stream: StreamID) -> Int { queue.waitingCount(of: stream) }

    /// From now on `takeRoomChanges` tells when fewer events of the stream wait, until `unwatch`.
    package mutating func watch(_ stream: StreamID) { queue.watch(stream) }

    package mutating func unwatch(_ stream: StreamID) { queue.unwatch(stream) }

    /// The watched streams of which fewer events wait than when this was asked last.
    package mutating func takeRoomChanges() -> Set<StreamID> { queue.takeRoomChanges() }

    /// Whether a transaction has been in doubt for longer than callers wait for one.
    package func isInDoubt(at now: MonotonicInstant) -> Bool {
        guard let inFlight else { return false }
        return now - inFlight.sentAt >= settings.resolveDeadline
    }

    /// Whether a stream may be read further: a batch of its events that waits is enough (PROTOCOL.md 14), and what
    /// could not be sealed in time is better left with its caller than rejected.
    package func mayRead(_ stream: StreamID, at now: MonotonicInstant) -> Bool {
        mayRead(waiting: queue.waitingCount(of: stream), at: now)
    }

    /// Whether a stream with so many waiting events may be read further. Where it may not, one with more may not either.
    package func mayRead(waiting own: Int, at now: MonotonicInstant) -> Bool {
        switch phase {
        case .loading, .fenced: return true
        case .idle where queue.isEmpty: return true
        case .idle, .building, .committing, .catchingUp: break
        }
        // Where nothing can be sealed, its events are read and refused: silence would tell their caller nothing.
        if isStopping || isInDoubt(at: now) { return true }
        guard own < max(1, limiter.maxEvents / max(1, queue.streamCount)) else { return false }
        return expectedWait(behind: queue.fairPosition(own: own), at: now)
            < settings.commitDeadline * 7 / 10
    }

    /// When `tick` must be sent at the latest; nil when nothing depends on time.
    package var nextWake: MonotonicInstant? {
        var wake = queue.earliestExpiry
        func atMost(_ instant: MonotonicInstant?) {
            guard let instant else { return }
            wake = wake.map { min($0, instant) } ?? instant
        }
        switch phase {
        case .idle:
            if !queue.isEmpty { atMost(pausedUntil ?? heldUntil) }
        case .committing(let inFlight):
            atMost(inFlight.nextWake)
        case .catchingUp(let catchUp):
            atMost(catchUp.retryAt)
            atMost(catchUp.inDoubt?.earliestAnswer)
        case .loading, .building, .fenced:
            break
        }
        return wake
    }

    // MARK: Events

    /// The ledger was read; valid once, while loading.
    package mutating func loaded(_ state: LedgerState, at moment: Moment) -> [SealingAction] {
        guard case .loading = phase else { return [] }
        self.state = state
        unreadable = nil
        storeIsUnavailable = false
        phase = .idle
        return startBatch(at: moment)
    }

    /// The ledger could not be read because it contradicts itself; valid while loading.
    package mutating func loadingFailed(_ reason: LedgerInconsistency) -> [SealingAction] {
        guard case .loading = phase else { return [] }
        return fence(reason)
    }

    /// Counter and head cannot be read: while that is so, nothing is sent that could hardly be answered.
    ///
    /// - Parameter reason: what a caller is told.
    package mutating func headIsUnreadable(
        _ reason: NotSealedReason, at moment: Moment
    ) -> [SealingAction] {
        unreadable = reason
        storeIsUnavailable = true
        return startBatch(at: moment)
    }

    /// etcd's members were asked how they are.
    ///
    /// - Parameters:
    ///   - isFull: whether one of them says that there is no space; nil where none answered.
    ///   - releaseIsRefused: whether one of them runs a release that can lose what it has committed.
    package mutating func membersChecked(
        isFull: Bool?, releaseIsRefused: Bool, at moment: Moment
    ) -> [SealingAction] {
        storeIsFull = isFull ?? storeIsFull
        self.releaseIsRefused = releaseIsRefused
        return startBatch(at: moment)
    }

    /// The replica that seals said that etcd has no space.
    package mutating func heardOfFullStore() {
        storeIsFull = true
    }

    /// Time has passed: expire what waits, answer whose time is up, go on with what was put off.
    package mutating func tick(at moment: Moment) -> [SealingAction] {
        var actions = expireQueue(at: moment.now)
        switch phase {
        case .committing(var inFlight):
            phase = .committing(inFlight)
            actions += answerOverdue(&inFlight, at: moment.now)
            actions += resolveOverdue(&inFlight, at: moment.now)
            phase = .committing(inFlight)
        case .catchingUp(var catchUp):
            if var inDoubt = catchUp.inDoubt {
                actions += answerOverdue(&inDoubt, at: moment.now)
                catchUp.inDoubt = inDoubt
            }
            actions += retryOverdue(&catchUp, at: moment.now)
            phase = .catchingUp(catchUp)
        case .idle:
            actions += startBatch(at: moment)
        case .loading, .building, .fenced:
            break
        }
        return actions + reportIfDrained()
    }

    /// The replica is to stop: nothing new is accepted, everything accepted is answered.
    package mutating func stop(at moment: Moment) -> [SealingAction] {
        isStopping = true
        return reportIfDrained()
    }

    // MARK: Shared

    /// A number below a bound, from the seed (SplitMix64).
    mutating func randomNumber(below bound: Int64) -> Int64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var mixed = random
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int64((mixed ^ (mixed >> 31)) % UInt64(max(1, bound)))
    }

    var inFlight: InFlight? {
        switch phase {
        case .committing(let inFlight): inFlight
        case .catchingUp(let catchUp): catchUp.inDoubt
        case .loading, .idle, .building, .fenced: nil
        }
    }

    /// A certain rejection, unless the same event is in a transaction whose fate is open: then any certain
    /// word about the event would be a guess (PROTOCOL.md 3).
    func rejection(_ submission: Submission, _ reason: NotSealedReason) -> SealingAction {
        let inDoubt = mayStillSeal(submission.fingerprint)
        return .answer(submission.token, inDoubt ? .unknown : .notSealed(reason))
    }

    mutating func expireQueue(at now: MonotonicInstant) -> [SealingAction] {
        let expired = queue.removeExpired(at: now)
        let reason: NotSealedReason =
            storeIsUnavailable ? unreadable ?? .storeUnavailable : .deadlineExceeded
        return expired.map { rejection($0, reason) }
    }

    /// Stops sealing for good. What was never sent is certainly not sealed; what is in a transaction is
    /// unknown (PROTOCOL.md 5).
    mutating func fence(_ reason: LedgerInconsistency) -> [SealingAction] {
        var actions: [SealingAction] = [.reportFenced(reason)]
        let waiting = queue.removeAll { _ in true }
        actions += waiting.map { rejection($0, reason.refusal) }
        switch phase {
        case .building(let plan):
            actions += plan.submissions.map { .answer($0.token, .notSealed(reason.refusal)) }
        default:
            actions += inFlight?.unanswered.map { .answer($0.token, .unknown) } ?? []
            openAtFence = inFlight?.proposal
        }
        phase = .fenced(reason)
        return actions + reportIfDrained()
    }

    mutating func reportIfDrained() -> [SealingAction] {
        guard isStopping, !reportedDrained, queue.isEmpty else { return [] }
        if case .building = phase { return [] }
        guard inFlight?.unanswered.isEmpty ?? true else { return [] }
        reportedDrained = true
        return [.reportDrained]
    }
}

extension LedgerInconsistency {
    /// What a submission is told of a ledger on which this replica does not seal any more.
    var refusal: NotSealedReason {
        switch self {
        case .unknownFormat: .unknownFormat
        case .missingBlock, .brokenChain, .doesNotLeadToHead, .malformed, .rolledBack: .rolledBack
        }
    }
}
