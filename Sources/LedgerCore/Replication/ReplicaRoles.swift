extension ReplicaStateMachine {
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
            case taking
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

        /// The sealer has been silent; before its hint is taken, the counter must not move (PROTOCOL.md 18).
        struct Doubt: Sendable {
            enum Step: Sendable {
                /// The counter is read; `before` is what it was, where the hint may not be taken yet.
                case reading(before: Revision?)
                case watching(Revision, until: MonotonicInstant)
                case taking
                case pausing(until: MonotonicInstant)
            }
            var step = Step.reading(before: nil)
            /// How often the counter moved although the sealer was silent.
            var moves = 0
            /// How often this replica woke up late from watching.
            var oversleeps = 0

            /// A machine that is always late must not doubt for ever.
            var mayOversleep: Bool { oversleeps < 2 }
        }

        /// The sealer is not in doubt any more; an attempt to take its hint that is under way ends as it may.
        mutating func trust() {
            if case .taking = doubt?.step { return }
            doubt = nil
        }

        /// A connection may take this long where nothing waits for it.
        static let longestConnecting = Nanoseconds.milliseconds(1_000)

        /// When a sealer that has not welcomed this replica counts as one that refuses.
        func connectingEnds(_ pace: ForwardPace, isWaitedFor: Bool) -> MonotonicInstant {
            since + (isWaitedFor ? pace.connectingPatience : Self.longestConnecting)
        }

        func nextWake(_ pace: ForwardPace, isWaitedFor: Bool) -> MonotonicInstant? {
            guard isUp else { return connectingEnds(pace, isWaitedFor: isWaitedFor) }
            guard let silentSince = pace.silentSince else { return nil }
            switch doubt?.step {
            case nil: return silentSince + pace.patience / 2
            case .watching(_, let until), .pausing(let until): return until
            case .reading, .taking: return nil
            }
        }
    }

    /// Sealing beside the holder of the hint, who cannot be used.
    struct Direct: Sendable {
        let avoided: HintReading
        var retryAt: MonotonicInstant
        /// A connection that is tried.
        var candidate: LinkID?
        var hasTried = false
        /// A whole pause has passed without the sealer welcoming this replica.
        var isUnreachable = false

        static let firstPause = Nanoseconds.milliseconds(100)
        static let longestPause = Nanoseconds.milliseconds(1_000)
    }
}
