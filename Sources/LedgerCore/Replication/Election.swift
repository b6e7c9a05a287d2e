/// Decides which replica seals: whether this one takes the hint, whom it follows, and when it doubts that one.
///
/// It has no I/O, no clock and no randomness, and it knows no events: what forwarding shows of the sealer it is told
/// as `SealerSigns`. Nothing in it is needed for safety: that comes from the compare-and-swap alone, and any number of
/// replicas that believe they are the sealer can do no harm.
///
/// ```
///  idle ──the ledger is read──► seeking ──hint taken──────────────► sealing
///                               ▲  │ ▲                                │
///                               │  │ └─hint expired, given back───────┤
///            refused, or silent │  └──another's hint──► following ◄───┘ deposed
///            and hint not taken │                        │   ▲
///                               └────────────────────────┤   │ the sealer answers again
///                                 the counter moves      ▼   │
///                                 without it           direct
/// ```
struct Election: Sendable {
    /// What follows from a decision, for who books the events.
    enum Word: Sendable {
        case perform(ReplicaEffect)
        /// What was forwarded over this link is lost sight of, and the link is closed.
        case lost(LinkID)
        /// Nothing more goes over this link; what was forwarded over it is still answered.
        case drains(LinkID)
        /// Whatever the sealer owed, nothing is expected of it any more.
        case pathLeft
    }

    var identity: SealerHint?
    let settings: ReplicaSettings
    private(set) var role = Role.idle
    private(set) var ability = SealingAbility.loading
    /// The newest reading of the key `sealer`.
    var reading = HintReading(hint: nil, revision: 0, readAt: 0, lease: 0)
    /// Whether the hint could not be read when that was tried last.
    var readingFailed = false
    /// The hint may not be taken from a living lease before this: the own one was taken away, or a race for it lost.
    var mayDeposeFrom: MonotonicInstant?
    private(set) var isLeaving = false
    /// The lease that was given back last, whose hint may still be read for a moment.
    private var givenBack: Int64?
    /// The pause before a sealer is tried again beside whom this replica seals; it grows until that one seals again.
    var directPause = Direct.firstPause
    /// Since when nothing could be forwarded or sealed under the own hint.
    private var outageSince: MonotonicInstant?
    private var nextLink: UInt64 = 1
    private var nextTake: UInt64 = 1
    /// Taken out by whoever sent an event.
    private var words: [Word] = []

    init(settings: ReplicaSettings) {
        self.settings = settings
        identity = settings.identity
    }

    mutating func takeWords() -> [Word] {
        if words.isEmpty { return [] }
        defer { words = [] }
        return words
    }

    mutating func say(_ effect: ReplicaEffect) { words.append(.perform(effect)) }

    mutating func report(_ change: ReplicaReport) { say(.report(change)) }

    // MARK: What it shows

    /// Where events go.
    enum Path: Hashable, Sendable {
        case here
        case link(LinkID)
        /// They are better held for a moment.
        case nowhere
    }

    var path: Path {
        switch role {
        case .idle, .sealing, .direct: .here
        // Who leaves still seals best while nobody else does.
        case .seeking: isLeaving && ability == .able ? .here : .nowhere
        case .following(let following): following.isHolding ? .nowhere : .link(following.link)
        }
    }

    /// Whether this replica holds the hint.
    var isSealer: Bool {
        if case .sealing = role { true } else { false }
    }

    /// Whether what waits for an answer over a link counts: with the sealer that is followed, it does.
    var isRelying: Bool {
        switch role {
        case .idle, .sealing, .direct: false
        case .seeking, .following: true
        }
    }

    /// Where the other replica is that holds the hint, usable or not; nil while none is known.
    var sealerAddress: String? {
        switch role {
        case .following(let following): following.isUp ? following.hint.address : nil
        case .direct(let direct): direct.avoided.hint?.address
        case .idle, .seeking, .sealing: nil
        }
    }

    /// Whether events that another replica forwards are sealed here.
    var takesForwards: Bool {
        switch role {
        case .sealing: true
        // It has given the hint back and no successor is known: it still seals best.
        case .seeking: isLeaving
        case .idle, .following, .direct: false
        }
    }

    /// Whether a leaving replica is not needed any more for sealing: another one is known to seal.
    var hasHandedOver: Bool {
        switch role {
        case .sealing, .seeking: false
        case .idle, .following, .direct: true
        }
    }

    var mayTake: Bool { ability == .able && !isLeaving && identity != nil }

    func mayDepose(at now: MonotonicInstant) -> Bool {
        mayTake && (mayDeposeFrom.map { $0 <= now } ?? true)
    }

    func isOwn(_ hint: SealerHint) -> Bool { hint.id == identity?.id }

    /// When `tick` must be sent at the latest; nil when nothing depends on time.
    func nextWake(_ signs: SealerSigns) -> MonotonicInstant? {
        switch role {
        case .idle: nil
        case .sealing(let tenure): tenure.nextWake
        case .seeking(let seeking): seeking.nextWake
        case .following(let following): following.nextWake(signs)
        case .direct(let direct): direct.retryAt
        }
    }

    // MARK: Life

    /// Others can reach this replica from now on.
    mutating func join(as identity: SealerHint, _ signs: SealerSigns, at now: MonotonicInstant) {
        self.identity = identity
        guard case .idle = role else { return }
        switch ability {
        case .able, .clockUntrusted, .releaseRefused: seek(signs, at: now)
        case .loading, .stuck, .fenced: break
        }
    }

    /// Whether this replica may seal has changed, apart from who else does.
    mutating func abilityChanged(
        _ new: SealingAbility, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        guard new != ability else { return }
        ability = new
        guard identity != nil else { return }
        switch (new, role) {
        case (.able, .idle), (.clockUntrusted, .idle), (.releaseRefused, .idle):
            seek(signs, at: now)
        case (.clockUntrusted, .sealing(let tenure)), (.releaseRefused, .sealing(let tenure)):
            giveBack(tenure.lease)
            seek(signs, at: now)
        case (.fenced, .sealing(let tenure)):
            giveBack(tenure.lease)
            retire()
        case (.fenced, _):
            retire()
        case (.able, _), (.loading, _), (.stuck, _), (.clockUntrusted, _), (.releaseRefused, _):
            break
        }
    }

    /// The replica is to stop soon: it hands the hint over to a replica that is named, or gives it back.
    mutating func leave(
        to successor: SealerHint?, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        guard !isLeaving else { return }
        isLeaving = true
        guard case .sealing(let tenure) = role else { return }
        if let successor, !isOwn(successor), reading.lease == tenure.lease {
            handOver(tenure.lease, to: successor)
        } else {
            giveBack(tenure.lease)
        }
        seek(signs, at: now)
    }

    // MARK: Changing parts

    /// The only place where the part changes.
    mutating func enter(_ role: Role) { self.role = role }

    /// Looks for a sealer, beginning with what the key says now.
    mutating func seek(
        refused: HintReading? = nil, knownFree: Bool = false, _ signs: SealerSigns,
        at now: MonotonicInstant
    ) {
        abandonPath(signs)
        if outageSince == nil { outageSince = now }
        let seeking = Seeking(step: .reading, refused: refused)
        if knownFree, mayTake {
            take(seeking, hintRevision: 0, counter: nil, at: now)
        } else {
            enter(.seeking(seeking))
            say(.readHint)
        }
    }

    /// Forwards to the holder of a hint from now on.
    mutating func follow(
        _ reading: HintReading, _ signs: SealerSigns, at now: MonotonicInstant
    ) {
        guard let hint = reading.hint, !isOwn(hint) else {
            seek(refused: reading, signs, at: now)
            return
        }
        abandonPath(signs)
        if outageSince == nil { outageSince = now }
        let link = makeLink()
        enter(.following(Following(link: link, hint: hint, isUp: false, since: now)))
        say(.connect(link, hint))
    }

    /// Seals beside the holder of the hint, who does not answer although somebody seals, or whose hint may not be
    /// taken yet.
    mutating func goDirect(at now: MonotonicInstant) {
        if case .following(let following) = role { words.append(.lost(following.link)) }
        words.append(.pathLeft)
        enter(.direct(Direct(avoided: reading, retryAt: now + directPause)))
        report(.sealsDirectly)
    }

    /// The hint is this replica's.
    mutating func becomeSealer(
        _ lease: Int64, since: MonotonicInstant, renewing: MonotonicInstant, _ signs: SealerSigns,
        at now: MonotonicInstant
    ) {
        abandonPath(signs)
        enter(
            .sealing(
                Tenure(
                    lease: lease, validUntil: since + settings.hintLifetime,
                    nextKeepAlive: renewing)))
        report(.becameSealer(after: endOutage(at: now)))
    }

    mutating func giveBack(_ lease: Int64) {
        givenBack = lease
        report(.gaveHintBack)
        say(.giveBack(lease: lease))
    }

    /// The key never lacks a hint meanwhile: nobody races for it, and those that try to take it find the successor's.
    private mutating func handOver(_ lease: Int64, to successor: SealerHint) {
        givenBack = lease
        report(.gaveHintBack)
        say(.handOver(lease: lease, hintRevision: reading.revision, to: successor))
    }

    /// The own hint stands, though this replica does not know that it holds it: it was put by an attempt whose answer is
    /// lost, or still on its way, or by a sealer that leaves.
    func isNewlyOwn(_ new: HintReading) -> Bool { new.lease != 0 && new.lease != givenBack }

    /// Leaves the present part: what was forwarded is still awaited if the sealer was not in doubt, else it is lost
    /// sight of.
    private mutating func abandonPath(_ signs: SealerSigns) {
        switch role {
        case .idle, .seeking, .sealing: break
        case .following(let following):
            let isAwaited = following.isUp && following.doubt == nil && signs.isOwed
            words.append(isAwaited ? .drains(following.link) : .lost(following.link))
        case .direct(let direct):
            if let candidate = direct.candidate { say(.disconnect(candidate)) }
        }
        words.append(.pathLeft)
        enter(.idle)
    }

    /// Takes no part any more: what was forwarded may be sealed on a store that this replica does not know.
    private mutating func retire() {
        switch role {
        case .following(let following): say(.disconnect(following.link))
        case .direct(let direct):
            if let candidate = direct.candidate { say(.disconnect(candidate)) }
        case .idle, .seeking, .sealing: break
        }
        enter(.idle)
    }

    mutating func makeLink() -> LinkID {
        defer { nextLink += 1 }
        return LinkID(rawValue: nextLink)
    }

    mutating func makeAttempt(
        hintRevision: Int64, counter: Revision?, at now: MonotonicInstant
    ) -> TakeAttempt {
        defer { nextTake += 1 }
        return TakeAttempt(number: nextTake, at: now, hintRevision: hintRevision, counter: counter)
    }

    mutating func endOutage(at now: MonotonicInstant) -> Nanoseconds {
        defer { outageSince = nil }
        return outageSince.map { now - $0 } ?? .zero
    }
}
