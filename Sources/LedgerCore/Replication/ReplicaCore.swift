/// Decides everything that a replica does: what it seals, what it forwards to whom, which replica seals, and what every
/// caller is told.
///
/// It has no I/O, no clock and no randomness: the driver sends it events together with the moment at which they
/// happened, performs the effects that it returns, and reports their results as events. Four parts share the work, and
/// meet only here:
///
/// ```
///   events ──► ReplicaCore ──► effects
///                 │
///      SubmissionBook: where every accepted event is, its attempts, its stream, its deadlines
///                 │ what waits here is taken by                ▲ what became of it
///        ┌────────┴───────────────┬────────────────────────────┘
///  SealingStateMachine        Forwarding ◄── path changed, link lost ── Election
///  (the own batches)          (links)    ─── signs of the sealer ─────► (who seals)
/// ```
///
/// What must be right is what it claims: a certain rejection needs that every attempt ended certainly (protocol.md 4).
package struct ReplicaCore: Sendable {
    package let settings: ReplicaSettings
    var book = SubmissionBook()
    var sealing: SealingStateMachine
    var election: Election
    var forwarding: Forwarding
    private var reportedDrained = false
    /// The newest number of which this replica has heard.
    var highestKnown = SequenceNumber.zero
    var searches: SearchTurns
    /// When `tick` must be sent at the latest; nil when nothing depends on time.
    package private(set) var nextWake: MonotonicInstant?
    /// What follows from the event that is being handled.
    var effects: [ReplicaEffect] = []

    /// - Parameter seed: of the back-off after lost races; replicas that share one would go on in step.
    package init(settings: ReplicaSettings, seed: UInt64 = 0) {
        self.settings = settings
        sealing = SealingStateMachine(settings: settings.sealing, seed: seed)
        election = Election(settings: settings)
        forwarding = Forwarding(settings)
        searches = SearchTurns(maxRunning: settings.sealing.maxLookUps)
    }

    // MARK: Events

    /// Takes an event, and tells what is to be done about it, in this order.
    package mutating func handle(_ event: ReplicaEvent, at moment: Moment) -> [ReplicaEffect] {
        receive(event, at: moment)
        settle(at: moment)
        nextWake = wake
        defer { effects = [] }
        return effects
    }

    private mutating func receive(_ event: ReplicaEvent, at moment: Moment) {
        let now = moment.now
        switch event {
        case .submitted(let submission): submitted(submission, at: moment)
        case .streamed(let submissions):
            for submission in submissions { submitted(submission, at: moment) }
        case .forwarded(let submissions):
            for submission in submissions { forwarded(submission, at: moment) }
        case .cancelled(let tokens):
            for token in tokens { book.cancel(token, isBuilding: sealing.isBuilding) }
        case .tick: tick(at: now)
        case .joined(let identity): elect(at: now) { $0.join(as: identity, $1, at: now) }
        case .leaving(let successor): elect(at: now) { $0.leave(to: successor, $1, at: now) }
        case .stopping: sealing.isStopping = true
        case .loaded(let state, let fence):
            seal { $0.loaded(state, fence: fence, &$1, at: now) }
        case .loadingFailed(let reason):
            if sealing.isLoading { seal { $0.fence(reason, &$1, at: now) } }
        case .noticed(let observation, let known):
            seal { $0.noticed(observation, knownBefore: known, &$1, at: now) }
        case .noticedHint(let reading): elect(at: now) { $0.noticed(reading, $1, at: now) }
        case .noticedMalformed(let reason): seal { $0.noticedMalformed(reason, &$1, at: now) }
        case .contradicted(let reason): seal { $0.contradicted(by: reason, &$1, at: now) }
        case .headUnreadable(let reason): sealing.headIsUnreadable(reason)
        case .membersChecked(let isFull, let isRefused, let room):
            sealing.membersChecked(
                isFull: isFull, releaseIsRefused: isRefused, roomBytes: room)
        case .proposed(let proposal): seal { $0.proposed(proposal, &$1, at: now) }
        case .transmissionEnded(let proposal, let result):
            seal { $0.transmissionEnded(proposal: proposal, result, &$1, at: now) }
        case .observed(let id, let result): seal { $0.observed(id, result, &$1, at: now) }
        case .blocksRead(let result): seal { $0.blocksRead(result, &$1, at: now) }
        case .reloaded(let result): seal { $0.reloaded(result, &$1, at: now) }
        case .lookedUp(let block, let results):
            seal { $0.lookedUp(block, results, &$1, at: now) }
        case .searched(let token, let number, let result):
            searched(token, under: number, result, at: now)
        case .hintRead(let result): elect(at: now) { $0.hintRead(result, $1, at: now) }
        case .takeEnded(let attempt, let result):
            elect(at: now) { $0.takeEnded(attempt, result, $1, at: now) }
        case .keptAlive(let lease, let result, let asked):
            elect(at: now) { $0.keptAlive(lease: lease, result, asked: asked, $1, at: now) }
        case .linkUp(let link): linkUp(link, at: now)
        case .linkDown(let link, let why): linkDown(link, why: why, at: now)
        case .answered(let link, let answers): answered(link, answers, at: now)
        case .farewell(let link): elect(at: now) { $0.farewell(link, $1, at: now) }
        }
    }

    /// What follows from any event: who may seal, where what waits goes, and the next batch.
    private mutating func settle(at moment: Moment) {
        let now = moment.now
        if let head = sealing.state?.head.sequence { highestKnown = max(highestKnown, head) }
        let ability = sealing.ability(at: moment)
        if ability != election.ability {
            elect(at: now) { $0.abilityChanged(ability, $1, at: now) }
            if ability == .fenced { loseAll(at: now) }
        }
        sealing.hasPrecedence = election.identity == nil || election.isSealer
        flush(at: moment)
        // What a batch does not take may let others of its stream go on.
        repeat { seal { $0.startBatch(&$1, at: moment) } } while flush(at: moment)
        deliver(at: now)
        if isStopping, !reportedDrained, book.isEmpty {
            reportedDrained = true
            effects.append(.drained)
        }
    }

    /// Time has passed.
    private mutating func tick(at now: MonotonicInstant) {
        // In this order: what is lost sight of waits again, and may be due by now.
        for link in forwarding.takeSilent(at: now) {
            book.loseSight(of: link)
            effects.append(.disconnect(link))
        }
        elect(at: now) { $0.tick($1, at: now) }
        seal { sealing, _ in sealing.tick(at: now) }
        book.visitDue(
            unsent: election.readingFailed ? .storeUnavailable : .deadlineExceeded,
            unsealed: sealing.expiryReason, isBuilding: sealing.isBuilding, at: now)
        // What became due may wait for a connection that has taken too long already.
        if let wake = election.nextWake(signs), wake <= now {
            elect(at: now) { $0.tick($1, at: now) }
        }
    }

    // MARK: Parts

    /// Nothing new is accepted any more.
    var isStopping: Bool { sealing.isStopping }

    /// Sends an event to the election, and does what it has decided.
    mutating func elect(
        at now: MonotonicInstant, _ event: (inout Election, SealerSigns) -> Void
    ) {
        event(&election, signs)
        for word in election.takeWords() {
            switch word {
            case .perform(let effect): effects.append(effect)
            case .lost(let link):
                book.loseSight(of: link)
                effects.append(.disconnect(link))
            case .drains(let link): forwarding.drain(link, at: now)
            case .pathLeft: forwarding.pace.forget()
            }
        }
    }

    mutating func seal(
        _ event: (inout SealingStateMachine, inout SubmissionBook) -> [ReplicaEffect]
    ) {
        effects += event(&sealing, &book)
    }

    /// What forwarding shows of the replica that seals.
    var signs: SealerSigns {
        var isOwed = false
        if case .following(let following) = election.role {
            isOwed = book.sentCount(following.link) > 0
        }
        return SealerSigns(
            silentSince: forwarding.pace.silentSince, patience: forwarding.pace.patience,
            connectingPatience: forwarding.pace.connectingPatience,
            isWaitedFor: book.waitingCount > 0, isOwed: isOwed)
    }
}
