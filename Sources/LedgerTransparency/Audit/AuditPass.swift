import LedgerCore

/// One pass of the audit: from the first event to a head and on, in one run of a verifier, or in several where the chain
/// is broken. Behind a finding at k the next run begins with the next tile of level 0, so that what was changed there
/// hides nothing of what lies further on.
struct AuditPass: Sendable {
    /// What the pass needs now.
    enum Need: Hashable {
        /// The tree of so many leaves, from the stored tiles.
        case base(size: UInt64)
        /// What the run needs; `.nothing` at the head.
        case run(LedgerVerifier.Need)
    }

    /// The first number of the present run, or of the next one.
    private(set) var first = SequenceNumber.first
    /// The present run; nil while its base is to be read, or while the head lies below its first number.
    private(set) var verifier: LedgerVerifier?
    private(set) var statement: StoredStatement
    let beganAt: MonotonicInstant
    /// When the pass reached the head that it began with; from then on new events are followed.
    var endedAt: MonotonicInstant?
    var lookedAt: MonotonicInstant

    private(set) var hasFindings = false
    /// The tiles contradict the events or the head somewhere: every tree that is restored from them would say so again.
    private var distrustsTiles = false
    /// What was found to be wrong in this pass is not found again at the next number.
    private var refutedCheckpoint: CheckpointStatement?
    private var foundBeyondHead: SequenceNumber?

    init(_ statement: StoredStatement, at now: MonotonicInstant) {
        self.statement = statement
        beganAt = now
        lookedAt = now
        begin(at: .first)
    }

    var head: Head { statement.head }

    var need: Need {
        if let verifier { return .run(verifier.need) }
        return first > head.sequence
            ? .run(.nothing) : .base(size: LedgerVerifier.baseSize(first: first))
    }

    /// Whether everything that can be looked at was, up to the head.
    var isAtHead: Bool { need == .run(.nothing) && verifier?.finding == nil }

    /// The next number to look at.
    var position: SequenceNumber { max(first, verifier?.position ?? first) }

    // MARK: Runs

    private mutating func begin(at number: SequenceNumber) {
        first = number
        verifier = nil
        guard number <= head.sequence else { return }
        if number == .first {
            run(on: MerkleFrontier())
        } else if distrustsTiles {
            run(on: nil)
        }
    }

    /// Begins the run, on the tree below it; nil where that is not known.
    mutating func run(on base: MerkleFrontier?) {
        verifier = believed.verifier(
            first: first, last: head.sequence, base: base, passesRecords: true)
    }

    /// Hands over what the run needed.
    mutating func consume(_ answer: VerifierAnswer) { verifier?.consume(answer) }

    /// What was found beside the chain since this was asked last.
    mutating func takePassed() -> [VerificationFinding] {
        let passed = verifier?.takePassed() ?? []
        for finding in passed { note(finding) }
        return passed
    }

    /// Goes on behind a finding that ended the run, or that kept it from reading on.
    mutating func goOn(behind finding: VerificationFinding) {
        note(finding)
        let isAtEnd = verifier.map { $0.position > head.sequence } ?? false
        let last = isAtEnd ? head.sequence : max(first, finding.sequenceNumber)
        let width = UInt64(TileID.width)
        begin(at: SequenceNumber((last.leafIndex / width + 1) * width).next)
    }

    /// Goes on to what the store says now, which is not before the present head.
    mutating func follow(_ statement: StoredStatement) {
        self.statement = statement
        if verifier == nil {
            begin(at: first)
        } else {
            let believed = believed
            verifier?.follow(
                believed.head, known: believed.known, checkpoint: believed.checkpoint,
                firstBlockBeyondHead: believed.firstBlockBeyondHead)
        }
    }

    private mutating func note(_ finding: VerificationFinding) {
        hasFindings = true
        switch finding.kind {
        case .tileMismatch, .headMismatch: distrustsTiles = true
        case .checkpointMismatch: refutedCheckpoint = statement.checkpoint
        case .beyondHead: foundBeyondHead = statement.firstBlockBeyondHead
        case .blockMissing, .blockOverlap, .entryMalformed, .wrongNumber, .timestampBackwards,
            .linkBroken, .idsMismatch:
            break
        }
    }

    /// The statement without what is known to be wrong: a checkpoint that is refused, and a head that went back, are
    /// told when they are read.
    private var believed: StoredStatement {
        let checkpoint = statement.checkpoint
        var isBelieved = checkpoint != refutedCheckpoint
        if case .refused = checkpoint { isBelieved = false }
        let beyond = statement.firstBlockBeyondHead
        return StoredStatement(
            head: head,
            known: statement.known.finding(at: head) == nil ? statement.known : KnownHead(),
            firstBlockBeyondHead: beyond == foundBeyondHead ? nil : beyond,
            checkpoint: isBelieved ? checkpoint : .absent)
    }
}
