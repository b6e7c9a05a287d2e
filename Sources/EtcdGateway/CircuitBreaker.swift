/// Decides whether one member is asked at all.
///
/// ```
///            ┌──────────────────── an answer, to whoever ────────────────────┐
///            ▼                                                               │
///  closed, failures ──as many in a row as are too many──► closed, doubted ───┤
///                                                            │ the probe     │
///                                                            ▼ fails         │
///                             ┌──rest over: a probe───────  open  ◄──────────┤
///                             ▼                              ▲               │
///                          half open ──the probe fails───────┘ (longer rest) │
///                             └─────the probe is answered────────────────────┘
/// ```
///
/// A pure state machine: time and chance come in as values, and what is to be done goes out. Only a probe, which asks
/// the member how it is, opens it: what fails may also fail for want of a quorum, or for being too much, while the
/// member answers. And only a probe closes it, or an answer that comes after all: no request of a caller is ever spent
/// on finding out whether a member is back.
struct CircuitBreaker: Sendable {
    /// As many failures in a row cast doubt on a member.
    static let tooManyFailures = 3
    /// How long an open breaker rests at first, before chance shortens it.
    static let firstRest = Duration.milliseconds(100)
    /// The longest rest. With a probe's longest time, a second, a member that is back is found within three.
    static let longestRest = Duration.seconds(2)

    private enum Phase {
        case closed(failures: Int)
        /// A probe is under way, and requests still go to the member.
        case doubted
        case open(until: ContinuousClock.Instant, rests: Int)
        case halfOpen(rests: Int)
    }

    /// What whoever drives the breaker is to do.
    enum Action: Hashable, Sendable {
        case none
        /// Ask the member how it is, now.
        case probe
        /// It is open from now on, or again: wait so long, and say that the rest is over.
        case rest(Duration, isNews: Bool)
        /// It is closed again: it is worth a line in the log.
        case recovered
    }

    private var phase = Phase.closed(failures: 0)
    private(set) var openedCount: Int64 = 0

    var state: EtcdBreakerStatus.State {
        switch phase {
        case .closed, .doubted: .closed
        case .open: .open
        case .halfOpen: .halfOpen
        }
    }

    /// The member answered, to whatever it was.
    mutating func answered() -> Action {
        switch phase {
        case .closed(failures: 0): return .none
        case .closed, .doubted:
            phase = .closed(failures: 0)
            return .none
        case .open, .halfOpen:
            phase = .closed(failures: 0)
            return .recovered
        }
    }

    /// A request to the member failed for a reason that may be the member's.
    mutating func failed() -> Action {
        // Otherwise a probe is under way or will be, and says more.
        guard case .closed(let failures) = phase else { return .none }
        guard failures + 1 >= Self.tooManyFailures else {
            phase = .closed(failures: failures + 1)
            return .none
        }
        phase = .doubted
        return .probe
    }

    /// The probe that was asked for has failed.
    ///
    /// - Parameter chance: 0..<1, so that many replicas do not come back at the same time.
    mutating func probeFailed(at now: ContinuousClock.Instant, chance: Double) -> Action {
        switch phase {
        case .closed: return failed()
        case .open: return .none
        case .doubted:
            openedCount += 1
            return rest(0, at: now, chance: chance)
        case .halfOpen(let rests):
            return rest(rests, at: now, chance: chance)
        }
    }

    /// A rest may be over.
    mutating func restEnded(at now: ContinuousClock.Instant) -> Action {
        guard case .open(let until, let rests) = phase else { return .none }
        // Whoever was woken too early, or for the rest of a time before, waits on.
        guard until <= now else { return .rest(until - now, isNews: false) }
        phase = .halfOpen(rests: rests)
        return .probe
    }

    private mutating func rest(
        _ rests: Int, at now: ContinuousClock.Instant, chance: Double
    ) -> Action {
        let whole = min(Self.firstRest * (1 << min(rests, 10)), Self.longestRest)
        let part = whole * (0.5 + 0.5 * min(max(chance, 0), 1))
        phase = .open(until: now + part, rests: rests + 1)
        return .rest(part, isNews: rests == 0)
    }
}
