/// Decides which replica seals: whether this one takes the hint, where it forwards what it accepted, and what its
/// callers are told of events that others were to seal.
///
/// It has no I/O, no clock and no randomness, like the `SealingStateMachine` beside it, to which it hands what
/// is to be sealed here. Nothing in it is needed for safety: that comes from the compare-and-swap alone, and any
/// number of replicas that believe they are the sealer can do no harm. What it must get right is what it claims:
/// a certain rejection needs that every attempt ended certainly (PROTOCOL.md 4).
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
package struct ReplicaStateMachine: Sendable {
    enum Role: Sendable {
        /// Nothing is known yet, or nothing may be sealed: the sealing machine says why.
        case idle
        /// Nobody is known who could be forwarded to.
        case seeking(Seeking)
        /// This replica holds the hint.
        case sealing(Tenure)
        /// Another replica holds it.
        case following(Following)
        /// Another replica holds it and cannot be used: this one seals beside it.
        case direct(Direct)
    }

    package internal(set) var settings: ReplicaSettings
    var role = Role.idle
    package internal(set) var ability = SealingAbility.loading
    /// The newest reading of the key `sealer`.
    var reading = HintReading(hint: nil, revision: 0, readAt: 0, lease: 0)
    /// The hint may not be taken from a living lease before this: the own one was taken away, or a race for it lost.
    var mayDeposeFrom: MonotonicInstant?
    var isLeaving = false
    var isStopping = false
    var reportedDrained = false
    var book = ForwardBook()
    var pace: ForwardPace
    /// Links that only wait for answers to what was sent.
    var draining: [LinkID: MonotonicInstant] = [:]
    /// The lease that was given back last, whose hint may still be read for a moment.
    var givenBack: Int64?
    var pendingTake: PendingTake?
    /// The pause before a sealer is tried again beside whom this replica seals; it grows until that one seals again.
    var directPause = Direct.firstPause
    /// Since when nothing could be forwarded or sealed under the own hint.
    var outageSince: MonotonicInstant?
    /// The newest number of which this replica has heard.
    var highestKnown = SequenceNumber.zero
    var nextLink: UInt64 = 1
    var nextTake: UInt64 = 1
    var readingFailed = false

    package init(settings: ReplicaSettings) {
        self.settings = settings
        pace = ForwardPace(settings)
    }

    // MARK: What it shows

    /// Whether this replica holds the hint.
    package var isSealer: Bool {
        if case .sealing = role { true } else { false }
    }

    /// Where events are forwarded to; nil while they are not.
    package var followedAddress: String? {
        guard case .following(let following) = role, following.isUp else { return nil }
        return following.hint.address
    }

    /// Where the other replica is that holds the hint, usable or not; nil while none is known.
    package var sealerAddress: String? {
        switch role {
        case .following(let following): following.isUp ? following.hint.address : nil
        case .direct(let direct): direct.avoided.hint?.address
        case .idle, .seeking, .sealing: nil
        }
    }

    /// What the replica does, in one word for logs, health and metrics.
    package var part: String {
        switch role {
        case .idle: "idle"
        case .seeking: "seeking"
        case .sealing: "sealing"
        case .following: "following"
        case .direct: "direct"
        }
    }

    /// Whether events that another replica forwards are sealed here. A forwarded event is never forwarded again
    /// (PROTOCOL.md 19).
    package var takesForwards: Bool {
        switch role {
        case .sealing: true
        // It has given the hint back and no successor is known: it still seals best.
        case .seeking: isLeaving && !isStopping
        case .idle, .following, .direct: false
        }
    }

    /// Events that were accepted, are not answered, and are not with the own sealing machine alone.
    package var openForwards: Int { book.events.count }

    /// Whether a stream may be read further. Where events are sealed here, the sealing machine has the say.
    package func mayRead(_ stream: StreamID) -> Bool { mayRead(load: load(of: stream)) }

    /// Whether a stream with such a load may be read further. Where it may not, one with a greater load may not either.
    package func mayRead(load: Int) -> Bool {
        if isStopping { return true }
        let share = max(1, pace.window / max(1, book.streamCount))
        switch role {
        case .idle, .sealing, .direct, .following: return load < share
        case .seeking: return path != nil || load == 0
        }
    }

    /// How many of a stream's events stand against reading it further.
    package func load(of stream: StreamID) -> Int {
        isCountingUnderWay ? book.count(of: stream) : book.waitingCount(of: stream)
    }

    /// Whether loads are of all unanswered events, or of those alone that wait for somewhere to go: with a change of
    /// this, every stream's load changes.
    package var isCountingUnderWay: Bool {
        switch role {
        // What waits for an answer over a link is not the sealing machine's business.
        case .idle, .sealing, .direct: false
        case .seeking, .following: true
        }
    }

    /// From now on `takeRoomChanges` tells when the stream's load may have become smaller, until `unwatch`.
    package mutating func watch(_ stream: StreamID) { book.watch(stream) }

    package mutating func unwatch(_ stream: StreamID) { book.unwatch(stream) }

    /// The watched streams whose load may be smaller than when this was asked last.
    package mutating func takeRoomChanges() -> Set<StreamID> { book.takeRoomChanges() }

    /// Whether the sealing machine decides how far a stream may be read.
    package var sealsHere: Bool { path == .here }

    /// When `tick` must be sent at the latest; nil when nothing depends on time.
    package var nextWake: MonotonicInstant? {
        var wake = book.earliestDue
        func atMost(_ instant: MonotonicInstant?) {
            guard let instant else { return }
            wake = wake.map { min($0, instant) } ?? instant
        }
        switch role {
        case .idle: break
        case .sealing(let tenure): atMost(tenure.nextWake)
        case .seeking(let seeking): atMost(seeking.nextWake)
        case .following(let following):
            atMost(following.nextWake(pace, isWaitedFor: book.waitingCount > 0))
        case .direct(let direct): atMost(direct.retryAt)
        }
        if path == nil { atMost(heldUntil) }
        for since in draining.values { atMost(since + pace.patience) }
        return wake
    }

    // MARK: Events

    /// Whether this replica may seal has changed, apart from who else does.
    package mutating func abilityChanged(
        _ new: SealingAbility, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard new != ability else { return [] }
        ability = new
        guard settings.identity != nil else { return [] }
        switch (new, role) {
        case (.able, .idle), (.clockUntrusted, .idle), (.releaseRefused, .idle):
            return seek(at: now)
        case (.clockUntrusted, .sealing(let tenure)), (.releaseRefused, .sealing(let tenure)):
            return giveBack(tenure.lease) + seek(at: now)
        case (.fenced, _):
            return fence(at: now)
        default:
            return flush(at: now)
        }
    }

    /// Others can reach this replica from now on.
    package mutating func join(
        as identity: SealerHint, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        settings.identity = identity
        guard case .idle = role else { return [] }
        switch ability {
        case .able, .clockUntrusted, .releaseRefused: return seek(at: now)
        case .loading, .stuck, .fenced: return []
        }
    }

    /// Time has passed.
    package mutating func tick(at now: MonotonicInstant) -> [ReplicaAction] {
        // In this order: what is lost sight of waits again, and may be due by now.
        var actions = dropSilentDraining(at: now)
        actions += tickRole(at: now)
        actions += visitDue(at: now)
        actions += flush(at: now)
        // What became due may wait for a connection that has taken too long already.
        if let wake = nextWake, wake <= now { actions += tickRole(at: now) + flush(at: now) }
        return actions + reportIfDrained()
    }

    /// The replica is to stop soon: it gives the hint back, and goes on serving.
    package mutating func leave(at now: MonotonicInstant) -> [ReplicaAction] {
        guard !isLeaving else { return [] }
        isLeaving = true
        guard case .sealing(let tenure) = role else { return [] }
        return giveBack(tenure.lease) + seek(at: now)
    }

    /// Whether a leaving replica is not needed any more for sealing: another one is known to seal.
    package var hasHandedOver: Bool {
        switch role {
        case .sealing: false
        case .seeking: false
        case .idle, .following, .direct: true
        }
    }

    /// Nothing new is accepted any more; what was accepted is answered.
    package mutating func stop(at now: MonotonicInstant) -> [ReplicaAction] {
        isStopping = true
        return flush(at: now) + reportIfDrained()
    }

    /// The links that only wait for answers, oldest first.
    var drainingInOrder: [(link: LinkID, since: MonotonicInstant)] {
        draining.map { ($0.key, $0.value) }.sorted { $0.link.rawValue < $1.link.rawValue }
    }

    mutating func reportIfDrained() -> [ReplicaAction] {
        guard isStopping, !reportedDrained, book.isEmpty else { return [] }
        reportedDrained = true
        return [.reportDrained]
    }

    /// Everything under way may be sealed on a store that this replica does not know (PROTOCOL.md 5).
    private mutating func fence(at now: MonotonicInstant) -> [ReplicaAction] {
        var actions: [ReplicaAction] = []
        switch role {
        case .sealing(let tenure): actions += giveBack(tenure.lease)
        case .following(let following): actions.append(.disconnect(following.link))
        case .direct(let direct): actions += direct.candidate.map { [.disconnect($0)] } ?? []
        case .idle, .seeking: break
        }
        actions += drainingInOrder.map { .disconnect($0.link) }
        draining = [:]
        role = .idle
        for tracked in book.inOrder where tracked.place != .waiting || tracked.mayBeSealed {
            if tracked.place == .here, !tracked.mayBeSealed { continue }
            actions += finish(tracked.submission.token, .unknown)
        }
        return actions + flush(at: now) + reportIfDrained()
    }
}
