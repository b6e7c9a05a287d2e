import LedgerCore

/// What is known of one witness, and what follows: a state machine without I/O, clock or randomness.
///
/// At most one checkpoint at a time is on its way to a witness. `begin` and then every answer say what to do next.
struct WitnessMachine: Sendable {
    enum Action: Hashable, Sendable {
        /// Send the checkpoint, with a proof that it continues a tree of that size; none for zero.
        case send(old: UInt64)
        /// Nothing more is sent for this checkpoint.
        case end
    }

    /// What the witness has cosigned as far as is known.
    struct Known: Hashable, Sendable {
        var size: UInt64
        /// Of a checkpoint that was sent from here; nil where the witness only named a number.
        var root: Digest?
        /// Whether the witness knows another past. It has said so twice of this size, or once and named no other.
        var isContradicted = false
    }

    private let limits: WitnessLimits
    private(set) var known: Known?
    /// How the newest request ended; nil before the first.
    private(set) var result: WitnessResult?
    /// Failures since the last answer that was of use.
    private(set) var failures = 0
    private(set) var restsUntil: ContinuousClock.Instant?
    /// The checkpoint that is on its way.
    private var current: Checkpoint?
    /// The size whose continuation is proved by what is on its way.
    private var old: UInt64 = 0
    private var attempts = 0
    /// How often in a row the witness has said of this size that it is not continued.
    private var inconsistencies: (size: UInt64, count: Int) = (0, 0)

    init(_ limits: WitnessLimits) {
        self.limits = limits
    }

    /// A checkpoint is there to be cosigned.
    mutating func begin(_ checkpoint: Checkpoint, at now: ContinuousClock.Instant) -> Action {
        precondition(current == nil, "one checkpoint at a time")
        if rests(at: now) { return .end }
        attempts = 0
        return send(checkpoint, from: known?.size ?? 0)
    }

    /// The witness's answer to what was sent.
    ///
    /// - Parameter jitter: 0..<1, for the rest after a failure.
    mutating func received(
        _ answer: WitnessAnswer, at now: ContinuousClock.Instant, jitter: Double
    ) -> Action {
        guard let checkpoint = current else { return .end }
        current = nil
        switch answer {
        case .cosigned:
            known = Known(size: checkpoint.size, root: checkpoint.root)
            inconsistencies = (0, 0)
            succeed(.cosigned)
            return .end
        case .conflict(let size):
            return conflict(size, checkpoint, at: now, jitter)
        case .failed(.inconsistent):
            // The witness looks at the size first: so it has cosigned `old`, with another root than this ledger's.
            inconsistencies = (old, inconsistencies.size == old ? inconsistencies.count + 1 : 1)
            if inconsistencies.count > 1, old > 0 {
                known = Known(size: old, root: nil, isContradicted: true)
            }
            fail(.inconsistent, at: now, jitter)
            return .end
        case .failed(let result):
            fail(result, at: now, jitter)
            return .end
        }
    }

    /// Nothing was sent: the proof could not be made.
    mutating func hadNoProof(at now: ContinuousClock.Instant, jitter: Double) {
        current = nil
        fail(.noProof, at: now, jitter)
    }

    /// Whether it is left alone after a failure.
    func rests(at now: ContinuousClock.Instant) -> Bool {
        restsUntil.map { now < $0 } ?? false
    }

    /// The answer to the checkpoint of the empty tree, with which every tree begins: a question for what was cosigned.
    mutating func receivedToQuestion(
        _ answer: WitnessAnswer, at now: ContinuousClock.Instant, jitter: Double
    ) {
        switch answer {
        case .cosigned: learn(0)
        case .conflict(let size): learn(size)
        // Not every witness takes the empty tree: then nothing is known, and nothing is wrong.
        case .failed(.refused), .failed(.inconsistent), .failed(.malformed),
            .failed(.badCosignature):
            return
        case .failed(let result): return fail(result, at: now, jitter)
        }
        guard failures > 0, known?.isContradicted != true else { return }
        (failures, restsUntil, result) = (0, nil, nil)
    }

    /// What is wrong with the witness, or what it finds wrong; nil while it is of use.
    var trouble: WitnessResult? {
        failures > 0 ? result : nil
    }

    // MARK: Private

    private mutating func learn(_ size: UInt64) {
        guard known?.size != size else { return }
        known = Known(size: size, root: nil)
    }

    private mutating func send(_ checkpoint: Checkpoint, from size: UInt64) -> Action {
        attempts += 1
        // More was cosigned than this checkpoint covers: another replica was quicker, or the store was set back.
        guard size <= checkpoint.size else {
            result = .otherSize
            return .end
        }
        current = checkpoint
        old = size
        return .send(old: size)
    }

    private mutating func conflict(
        _ size: UInt64, _ checkpoint: Checkpoint, at now: ContinuousClock.Instant, _ jitter: Double
    ) -> Action {
        if size == old {
            guard size == checkpoint.size, size > 0 else {
                // It names the very size that was sent.
                fail(.malformed, at: now, jitter)
                return .end
            }
            known = Known(size: size, root: nil, isContradicted: true)
            fail(.otherRoot, at: now, jitter)
            return .end
        }
        learn(size)
        inconsistencies = (0, 0)
        guard size <= checkpoint.size else {
            // The witness works; what its number means for this ledger is decided elsewhere.
            succeed(.otherSize)
            return .end
        }
        guard attempts < limits.attempts else {
            fail(.otherSize, at: now, jitter)
            return .end
        }
        result = .otherSize
        return send(checkpoint, from: size)
    }

    private mutating func succeed(_ result: WitnessResult) {
        self.result = result
        failures = 0
        restsUntil = nil
    }

    private mutating func fail(
        _ result: WitnessResult, at now: ContinuousClock.Instant, _ jitter: Double
    ) {
        self.result = result
        let doublings = min(failures, 16)
        failures += 1
        let rest = min(limits.firstRest * (1 << doublings), limits.longestRest)
        restsUntil = now + rest * (0.5 + jitter)
    }
}
