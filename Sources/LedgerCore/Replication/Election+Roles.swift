/// What forwarding shows of the replica that seals.
struct SealerSigns: Sendable {
    /// Since when something is expected that would show that the sealer seals.
    var silentSince: MonotonicInstant?
    /// A forward that is unanswered for so long puts the sealer in doubt.
    var patience: Nanoseconds
    /// A connection may take this long while something waits for it.
    var connectingPatience: Nanoseconds
    /// Whether events wait for somewhere to go.
    var isWaitedFor: Bool
    /// Whether the replica that is followed owes answers.
    var isOwed: Bool
}

extension Election {
    /// The part that this replica plays.
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

        /// The part in one word, for logs, health and metrics.
        var name: String {
            switch self {
            case .idle: "idle"
            case .seeking: "seeking"
            case .sealing: "sealing"
            case .following: "following"
            case .direct: "direct"
            }
        }
    }

    /// Holding the hint.
    struct Tenure: Sendable {
        let lease: Int64
        /// When the lease may have ended, reckoned from when its last renewal was asked for.
        var validUntil: MonotonicInstant
        var nextKeepAlive: MonotonicInstant
        var isRenewing = false

        var nextWake: MonotonicInstant {
            isRenewing ? validUntil : min(validUntil, nextKeepAlive)
        }
    }

    /// Looking for somebody to forward to, or for the hint.
    struct Seeking: Sendable {
        enum Step: Sendable {
            case reading
            case taking(TakeAttempt)
            case pausing(until: MonotonicInstant)
        }

        var step: Step
        /// The hint of a sealer that refused or could not be reached.
        var refused: HintReading?
        /// The pause before the next attempt.
        var pause = Nanoseconds.milliseconds(20)

        var nextWake: MonotonicInstant? {
            if case .pausing(let until) = step { until } else { nil }
        }

        /// The next reading is made after a pause, which grows.
        mutating func putOff(at now: MonotonicInstant) {
            step = .pausing(until: now + pause)
            pause = min(pause * 2, .milliseconds(500))
        }
    }

    /// Forwarding to the holder of the hint.
    struct Following: Sendable {
        let link: LinkID
        let hint: SealerHint
        var isUp: Bool
        /// When the connection was begun.
        let since: MonotonicInstant
        var doubt: Doubt?

        /// Whether nothing more is sent to the sealer for the moment.
        var isHolding: Bool {
            if !isUp { return true }
            if case .taking = doubt?.step { return true }
            return false
        }

        /// The sealer is not in doubt any more; an attempt to take its hint that is under way ends as it may.
        ///
        /// - Returns: whether the counter was watched by then, or more; told once for each doubt.
        mutating func trust() -> Bool {
            guard let current = doubt else { return false }
            switch current.step {
            case .reading:
                doubt = nil
                return false
            case .watching, .pausing:
                doubt = nil
                return true
            case .taking:
                doubt?.isWrong = true
                return !current.isWrong
            }
        }

        /// A connection may take this long where nothing waits for it.
        static let longestConnecting = Nanoseconds.milliseconds(1_000)

        /// When a sealer that has not welcomed this replica counts as one that refuses.
        func connectingEnds(_ signs: SealerSigns) -> MonotonicInstant {
            since + (signs.isWaitedFor ? signs.connectingPatience : Self.longestConnecting)
        }

        func nextWake(_ signs: SealerSigns) -> MonotonicInstant? {
            guard isUp else { return connectingEnds(signs) }
            guard let silentSince = signs.silentSince else { return nil }
            switch doubt?.step {
            case nil: return silentSince + signs.patience / 2
            case .watching(_, let until), .pausing(let until): return until
            case .reading, .taking: return nil
            }
        }
    }

    /// The sealer has been silent; before its hint is taken, the counter must not move (protocol.md 18).
    struct Doubt: Sendable {
        enum Step: Sendable {
            /// The counter is read; `before` is what it was, where the hint may not be taken yet.
            case reading(before: Revision?)
            case watching(Revision, until: MonotonicInstant)
            case taking(TakeAttempt)
            case pausing(until: MonotonicInstant)
        }

        var step = Step.reading(before: nil)
        /// Whether the sealer has shown that it seals, while its hint was being taken.
        var isWrong = false
        /// When counter and hint were asked for last.
        var askedAt: MonotonicInstant
        /// The longest time that the store took to answer since the doubt began.
        private(set) var storeTook = Nanoseconds.zero
        /// How often the counter moved although the sealer was silent.
        var moves = 0
        /// How often this replica woke up late from watching.
        var oversleeps = 0

        init(at now: MonotonicInstant) { askedAt = now }

        /// A machine that is always late must not doubt for ever.
        var mayOversleep: Bool { oversleeps < 2 }

        /// A transaction may take so many times as long as a read: it waits for the one before it, and for the disks.
        private static let readsOfTransaction: Int64 = 4
        /// A store that takes longer is no measure of the sealer any more.
        private static let longestAnswer = Nanoseconds.milliseconds(250)

        /// The store has answered what it was asked at that time.
        mutating func storeAnswered(since asked: MonotonicInstant, at now: MonotonicInstant) {
            storeTook = max(storeTook, min(now - asked, Self.longestAnswer))
        }

        /// How long the counter is watched before it is believed to stand still: where the store, or this machine, is
        /// slow for this replica, it is so for the sealer.
        func watch(_ patience: Nanoseconds) -> Nanoseconds {
            max(patience / 2, storeTook * Self.readsOfTransaction)
        }
    }

    /// Sealing beside the holder of the hint, who cannot be used.
    struct Direct: Sendable {
        let avoided: HintReading
        var retryAt: MonotonicInstant
        /// A connection that is tried.
        var candidate: LinkID?
        /// An attempt to take the hint that has not ended.
        var attempt: TakeAttempt?
        var hasTried = false
        /// A whole pause has passed without the sealer welcoming this replica.
        var isUnreachable = false

        static let firstPause = Nanoseconds.milliseconds(100)
        static let longestPause = Nanoseconds.milliseconds(1_000)
    }
}
