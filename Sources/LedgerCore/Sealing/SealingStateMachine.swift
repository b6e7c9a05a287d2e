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
    package internal(set) var limiter: BatchLimiter
    package internal(set) var isStopping = false
    var reportedDrained = false
    /// No batch is built before this: etcd could not be reached a moment ago.
    var pausedUntil: MonotonicInstant?
    var pause = Nanoseconds.milliseconds(1)
    /// Under load the next batch is not built before this, unless it is full.
    var gatheringUntil: MonotonicInstant?
    var arrivals = ArrivalRate()
    /// Whether the last thing tried at the store failed, for what waiting callers are told.
    var storeIsUnavailable = false
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

    /// Whether a transaction has been in doubt for longer than callers wait for one.
    package func isInDoubt(at now: MonotonicInstant) -> Bool {
        guard let inFlight else { return false }
        return now - inFlight.sentAt >= settings.resolveDeadline
    }

    /// Whether a stream may be read further: a batch of its events that waits is enough (PROTOCOL.md 14), and what
    /// could not be sealed in time is better left with its caller than rejected.
    package func mayRead(_ stream: StreamID, at now: MonotonicInstant) -> Bool {
        switch phase {
        case .loading, .fenced: return true
        case .idle where queue.isEmpty: return true
        case .idle, .building, .committing, .catchingUp: break
        }
        // Where nothing can be sealed, its events are read and refused: silence would tell their caller nothing.
        if isStopping || isInDoubt(at: now) { return true }
        let own = queue.waitingCount(of: stream)
        guard own < max(1, limiter.maxEvents / max(1, queue.streamCount)) else { return false }
        return expectedWait(of: stream, at: now) < settings.commitDeadline * 7 / 10
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
            if !queue.isEmpty { atMost(pausedUntil ?? gatheringEnds) }
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
        phase = .idle
        return startBatch(at: moment)
    }

    /// The ledger could not be read because it contradicts itself; valid while loading.
    package mutating func loadingFailed(_ reason: LedgerInconsistency) -> [SealingAction] {
        guard case .loading = phase else { return [] }
        return fence(reason)
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
        let open = inFlight?.proposal ?? openAtFence
        let inDoubt = open?.contains(submission.fingerprint) ?? false
        return .answer(submission.token, inDoubt ? .unknown : .notSealed(reason))
    }

    mutating func expireQueue(at now: MonotonicInstant) -> [SealingAction] {
        let expired = queue.removeExpired(at: now)
        let reason: NotSealedReason = storeIsUnavailable ? .storeUnavailable : .deadlineExceeded
        return expired.map { rejection($0, reason) }
    }

    /// Stops sealing for good. What was never sent is certainly not sealed; what is in a transaction is
    /// unknown (PROTOCOL.md 5).
    mutating func fence(_ reason: LedgerInconsistency) -> [SealingAction] {
        var actions: [SealingAction] = [.reportFenced(reason)]
        let waiting = queue.removeAll { _ in true }
        actions += waiting.map { rejection($0, .rolledBack) }
        switch phase {
        case .building(let plan):
            actions += plan.submissions.map { .answer($0.token, .notSealed(.rolledBack)) }
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
