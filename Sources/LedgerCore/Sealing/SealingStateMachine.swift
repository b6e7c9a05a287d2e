/// Decides what this replica seals and what an answer of etcd means.
///
/// It has no I/O, no clock and no randomness, and no submissions of its own: they stand in the `SubmissionBook`, where
/// it takes batches from what is queued and says what has become of each. The rules are protocol.md's; each stands
/// beside the code that follows it.
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
struct SealingStateMachine: Sendable {
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

    let settings: SealingSettings
    /// What is known of the ledger; nil until it has been read.
    var state: LedgerState?
    var phase: Phase = .loading
    var lookUps: LookUpBook
    var limiter: BatchLimiter
    var isStopping = false
    /// No batch is built before this: etcd could not be reached a moment ago.
    var pausedUntil: MonotonicInstant?
    var pause = Nanoseconds.milliseconds(1)
    var gathering: Gathering
    /// Until when the next batch waits for company; nil where it does not.
    var heldUntil: MonotonicInstant?
    /// Whether the last thing tried at the store failed, for what waiting callers are told.
    var storeIsUnavailable = false
    /// Why counter and head could not be read when that was tried last; nil where they could.
    var unreadable: NotSealedReason?
    /// Whether etcd said last that it has no space.
    var storeIsFull = false
    /// How much may still be written before the reserve of etcd's quota begins.
    var room = StorageRoom()
    /// When those who are turned away are to come back.
    var retries = RetrySchedule()
    /// Whether a member runs a release that can lose what it has committed.
    var releaseIsRefused = false
    /// The transaction that was open when the fence fell.
    var openAtFence: Proposal?
    /// Reads of counter and head, one after another, that made no sense.
    var malformedInARow = 0
    var nextProposal: UInt64 = 1
    var nextObservation: UInt64 = 1
    /// Whether this replica goes on at once after a lost race: the one that holds the hint does, the others give
    /// way (protocol.md 18).
    var hasPrecedence = true
    /// Races lost one after another.
    var lostInARow = 0
    private var random: UInt64

    /// - Parameter seed: of the back-off after lost races; replicas that share one would go on in step.
    init(settings: SealingSettings, seed: UInt64) {
        random = seed
        self.settings = settings
        limiter = BatchLimiter(settings: settings)
        gathering = Gathering(contract: settings.commitDeadline)
        lookUps = LookUpBook(maxRunning: settings.maxLookUps)
    }

    // MARK: What it shows

    /// Why nothing is sealed any more; nil while not fenced.
    var fence: LedgerInconsistency? {
        if case .fenced(let reason) = phase { reason } else { nil }
    }

    var isLoading: Bool {
        if case .loading = phase { true } else { false }
    }

    var isBuilding: Bool {
        if case .building = phase { true } else { false }
    }

    /// Whether an event with this fingerprint is in a transaction of this replica whose fate is open. Whoever answers for
    /// this replica has to ask before it rejects with certainty (protocol.md 3).
    func mayStillSeal(_ fingerprint: Fingerprint) -> Bool {
        (inFlight?.proposal ?? openAtFence)?.fingerprints.contains(fingerprint) ?? false
    }

    /// What a submission would be told now, whatever it is and however many wait; nil where it would be sealed.
    func obstacle(at moment: Moment) -> NotSealedReason? {
        switch phase {
        case .fenced(let reason): return reason.refusal
        case .loading: return isStopping ? .stopping : .starting
        case .idle, .building, .committing, .catchingUp: break
        }
        if isStopping { return .stopping }
        if let hindrance = hindrance(at: moment) { return hindrance }
        // Nothing can be sealed before the open transaction is settled, and that takes longer than anyone waits.
        if isInDoubt(at: moment.now) { return .storeUnavailable }
        return storeIsFull || room.isUsedUp ? .storageFull : nil
    }

    /// Why no batch may be built at present.
    func hindrance(at moment: Moment) -> NotSealedReason? {
        if releaseIsRefused { return .releaseRefused }
        // An untrusted clock would spoil sealed_timestamp for ever (protocol.md 22).
        switch moment.wall {
        case .trusted: return unreadable
        case .untrusted: return .clockUntrusted
        case .unsampled: return unreadable ?? .clockUnsampled
        }
    }

    /// Whether this replica may seal, apart from who else does.
    func ability(at moment: Moment) -> SealingAbility {
        if fence != nil { return .fenced }
        if isLoading { return .loading }
        if releaseIsRefused { return .releaseRefused }
        if !moment.wall.isTrusted { return .clockUntrusted }
        return isInDoubt(at: moment.now) ? .stuck : .able
    }

    /// Whether a transaction has been in doubt for longer than callers wait for one.
    func isInDoubt(at now: MonotonicInstant) -> Bool {
        guard let inFlight else { return false }
        return now - inFlight.sentAt >= settings.resolveDeadline
    }

    /// What is told of an event that no batch has taken in time.
    var expiryReason: NotSealedReason {
        storeIsUnavailable ? unreadable ?? .storeUnavailable : .deadlineExceeded
    }

    /// Whether a stream with so many waiting events may be read further: a batch of its events that waits is enough
    /// (protocol.md 14), and what could not be sealed in time is better left with its caller than rejected. Where a
    /// stream may not be, one with more may not either.
    func mayRead(waiting own: Int, _ book: SubmissionBook, at now: MonotonicInstant) -> Bool {
        switch phase {
        case .loading, .fenced: return true
        // Nothing is queued, but what waits for earlier events of its stream elsewhere counts all the same.
        case .idle where book.queuedCount == 0 && own == 0: return true
        case .idle, .building, .committing, .catchingUp: break
        }
        // Where nothing can be sealed, its events are read and refused: silence would tell their caller nothing.
        if isStopping || isInDoubt(at: now) { return true }
        guard own < max(1, limiter.maxEvents / max(1, book.queuedStreamCount)) else { return false }
        return expectedWait(behind: book.fairPosition(own: own), book, at: now)
            < settings.commitDeadline * 7 / 10
    }

    /// When `tick` must be sent at the latest, apart from what the book waits for.
    func nextWake(_ book: SubmissionBook) -> MonotonicInstant? {
        switch phase {
        case .idle: book.queuedCount == 0 ? nil : pausedUntil ?? heldUntil
        case .committing(let inFlight): inFlight.nextWake
        case .catchingUp(let catchUp): catchUp.retryAt
        case .loading, .building, .fenced: nil
        }
    }

    // MARK: Events

    /// The ledger was read; valid once, while loading.
    ///
    /// - Parameter fence: why nothing may be sealed on it: it is only read.
    mutating func loaded(
        _ state: LedgerState, fence: LedgerInconsistency?, _ book: inout SubmissionBook,
        at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        guard case .loading = phase else { return [] }
        self.state = state
        unreadable = nil
        storeIsUnavailable = false
        phase = .idle
        return fence.map { self.fence($0, &book, at: now) } ?? []
    }

    /// Counter and head cannot be read: while that is so, nothing is sent that could hardly be answered.
    ///
    /// - Parameter reason: what a caller is told.
    mutating func headIsUnreadable(_ reason: NotSealedReason) {
        unreadable = reason
        storeIsUnavailable = true
    }

    /// etcd's members were asked how they are.
    ///
    /// - Parameters:
    ///   - isFull: whether one of them says that there is no space; nil where none answered.
    ///   - releaseIsRefused: whether one of them runs a release that can lose what it has committed.
    ///   - roomBytes: how much may be written before the reserve of the quota begins; nil where nothing new is known.
    mutating func membersChecked(isFull: Bool?, releaseIsRefused: Bool, roomBytes: Int64? = nil) {
        storeIsFull = isFull ?? storeIsFull
        room.measured(roomBytes)
        self.releaseIsRefused = releaseIsRefused
    }

    /// Time has passed: go on with what was put off.
    mutating func tick(at now: MonotonicInstant) -> [ReplicaEffect] {
        switch phase {
        case .committing(let inFlight): resolveOverdue(inFlight, at: now)
        case .catchingUp(let catchUp): retryOverdue(catchUp, at: now)
        case .loading, .idle, .building, .fenced: []
        }
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

    /// Stops sealing for good. What was never sent is certainly not sealed; what is in a transaction is
    /// unknown (protocol.md 5).
    mutating func fence(
        _ reason: LedgerInconsistency, _ book: inout SubmissionBook, at now: MonotonicInstant
    ) -> [ReplicaEffect] {
        if case .fenced = phase { return [] }
        for submission in book.queued(where: { _ in true }) {
            book.ended(submission.token, .notSealed(reason.refusal), at: now)
        }
        if case .building(let plan) = phase {
            for submission in plan.submissions {
                book.ended(submission.token, .notSealed(reason.refusal), at: now)
            }
        }
        for submission in inFlight?.submissions ?? [] {
            book.ended(submission.token, .unknown, at: now)
        }
        openAtFence = inFlight?.proposal
        phase = .fenced(reason)
        return [.report(.fenced(reason))]
    }
}

extension LedgerInconsistency {
    /// What a submission is told of a ledger on which this replica does not seal any more.
    var refusal: NotSealedReason {
        switch self {
        case .unknownFormat: .unknownFormat
        case .missingBlock, .brokenChain, .doesNotLeadToHead, .malformed, .rolledBack,
            .contradicted,
            .fenced:
            .rolledBack
        }
    }
}
