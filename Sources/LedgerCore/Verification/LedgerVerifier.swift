/// Verifies a range of the stored ledger: each event against the next one's previous hash (the last
/// against the head), its tiles, its ids segment and its block.
///
/// The verifier does no I/O. Whoever drives it reads what `need` names and hands it over, until it
/// needs nothing:
///
///     while verifier.need != .nothing {
///         switch verifier.need {
///         case .block(let number):
///             // The next block; the first time the newest at or below the number.
///             verifier.consume(block: first, value: value)    // or consumeEndOfBlocks()
///         case .tile(let id): verifier.consume(tile: id, value: value)       // nil: absent
///         case .segment(let n): verifier.consume(segment: n, value: value)
///         case .nothing: break
///         }
///     }
///
/// Blocks must be handed over in the order of their keys, every one that is stored, beginning with
/// the newest at or below the first number needed (or the oldest, where there is none). Everything
/// is read at the head that was given: what is sealed later changes nothing of it. `follow` goes on with that.
package struct LedgerVerifier: Sendable {
    /// What must be handed over next.
    package enum Need: Hashable, Sendable {
        /// The block that holds this number, or else the next one after it.
        case block(SequenceNumber)
        case tile(TileID)
        case segment(UInt64)
        /// The run is over: `finding` tells with what result.
        case nothing
    }

    /// The block that is being read.
    struct OpenBlock: Sendable {
        let first: SequenceNumber
        let entries: [ArraySlice<UInt8>]
        let problem: FormatError?
        var position: Int
    }

    /// A tile or segment that was handed over; nil where it is absent or malformed.
    struct Loaded<Key: Hashable & Sendable, Value: Sendable>: Sendable {
        let key: Key
        let value: Value?
    }

    package let first: SequenceNumber
    package internal(set) var last: SequenceNumber
    package internal(set) var head: Head

    /// What to hand over next.
    package internal(set) var need: Need = .nothing

    /// The first contradiction, once the run is over; nil: the range is valid.
    package internal(set) var finding: VerificationFinding?

    /// Whether what is wrong beside the chain (tiles, ids, the checkpoint) is put aside, and the run goes on.
    let passesRecords: Bool
    /// What was put aside and not taken yet: in each level-0 tile the first of a kind.
    private var passed: [VerificationFinding] = []
    /// The level-0 tile of the last of a kind that was put aside.
    private var passedTiles: [FindingKind: UInt64] = [:]
    /// The first and the last event of which something was put aside.
    private var passedEvents: ClosedRange<SequenceNumber>?

    /// What is known of the head apart from the stored one; see `init`.
    var known: KnownHead
    var checkpoint: CheckpointStatement
    var firstBlockBeyondHead: SequenceNumber?

    /// The next number to look at; below `first` it is read only for what `first` needs of it.
    var expected: SequenceNumber
    var tree: PartialTree
    var tiles: [Int: Loaded<TileID, Tile>] = [:]
    var segment: Loaded<UInt64, IdSegment>?
    /// What was computed for tiles and segments that are not full at the head.
    var openRecords = OpenRecords()
    /// Whether tiles and segments are to be asked for in the midst of them: at the beginning, and where the head moved.
    var recordsAreDue = true
    var block: OpenBlock?
    var hasSeenBlock = false
    /// Why the block before could not be read to its end: that may have been its last entry, or
    /// what follows it.
    var brokenEnd: FormatError?
    var previousHash: EventHash?
    var previousTimestamp: Int64?
    var findings = FindingCollector()
    var settled: UInt64 = 0
    /// The range is verified; only a second block that repeats its last numbers may still turn up.
    var isClosing = false

    /// Begins a run over first...last, which must lie in 1...head.sequence.
    ///
    /// - Parameters:
    ///   - known: what whoever verifies knows of the head by itself: that is part of what is verified.
    ///   - base: the frontier of the tree of `baseSize(first:)` leaves, restored from the tiles
    ///     below the range; nil where they cannot be read, and then statements that reach below the
    ///     range are not checked.
    ///   - checkpoint: what is stored as the published checkpoint, read no later than the head. Its root is checked
    ///     where the range reaches its size, and where that is the head's; that it is refused is found in any range.
    ///   - firstBlockBeyondHead: the number of the first block's key beyond the head, read together
    ///     with the head.
    ///   - passesRecords: whether the run goes on where only tiles, ids or the checkpoint contradict the events: such
    ///     findings are handed out by `takePassed`, and only what breaks the chain ends the run.
    package init(
        first: SequenceNumber, last: SequenceNumber, head: Head, known: KnownHead = KnownHead(),
        base: MerkleFrontier?,
        checkpoint: CheckpointStatement = .absent, firstBlockBeyondHead: SequenceNumber? = nil,
        passesRecords: Bool = false
    ) {
        precondition(
            first >= .first && first <= last && last <= head.sequence,
            "a range outside the ledger")
        self.first = first
        self.last = last
        self.head = head
        self.known = known
        self.checkpoint = checkpoint
        self.firstBlockBeyondHead = firstBlockBeyondHead
        self.passesRecords = passesRecords
        let baseSize = Self.baseSize(first: first)
        tree = PartialTree(size: baseSize, base: base)
        // A full tile has the leaves before the range; otherwise the events themselves must give
        // them.
        let tileIsFull = baseSize + UInt64(TileID.width) <= head.sequence.rawValue
        let before = tileIsFull ? first : SequenceNumber(baseSize + 1)
        expected = max(.first, min(before, first.previous))
        // A checkpoint of no event at all.
        if first == .first { checkCheckpoint() }
        advance()
    }

    /// The size of the tree that ends where the level-0 tile of `first` begins.
    package static func baseSize(first: SequenceNumber) -> UInt64 {
        first.leafIndex / UInt64(TileID.width) * UInt64(TileID.width)
    }

    /// How many events were verified, from `first` on: all of the range where it is valid.
    package var eventsVerified: UInt64 {
        guard let finding else { return settled }
        return min(settled, first.distance(to: finding.sequenceNumber))
    }

    /// Takes the next stored block: the number of its key and its value.
    package mutating func consume(block number: SequenceNumber, value: [UInt8]) {
        guard case .block = need else { return }
        if isClosing {
            close(before: number)
            return
        }
        open(number, BlockFraming(value))
        advance()
    }

    /// Takes the news that no further block is stored.
    package mutating func consumeEndOfBlocks() {
        guard case .block = need else { return }
        if isClosing {
            need = .nothing
        } else {
            reportMissingBlock(found: "no further block")
        }
    }

    /// Takes the tile that was needed; nil where it is absent.
    package mutating func consume(tile id: TileID, value: [UInt8]?) {
        guard need == .tile(id) else { return }
        let tile = value.flatMap { try? Tile(id: id, bytes: $0) }
        tiles[id.level] = Loaded(key: id, value: tile)
        if tile == nil {
            findings.add(
                .tileMismatch, at: expected, expected: "tile \(id.level)/\(id.index)",
                actual: value.map { "\($0.count) bytes" } ?? "no such tile")
        }
        if let tile { compareOpen(tile) }
        advance()
    }

    /// Takes the ids segment that was needed; nil where it is absent.
    package mutating func consume(segment number: UInt64, value: [UInt8]?) {
        guard need == .segment(number) else { return }
        let loaded = value.flatMap { try? IdSegment(number: number, decoding: $0) }
        segment = Loaded(key: number, value: loaded)
        if loaded == nil {
            findings.add(
                .idsMismatch, at: expected, expected: "ids segment \(number)",
                actual: value.map { "\($0.count) bytes" } ?? "no such segment")
        }
        if let loaded { compareOpen(loaded) }
        advance()
    }
}

// MARK: - Going on

extension LedgerVerifier {
    /// Goes on until something is missing or the run is over.
    mutating func advance() {
        while true {
            if let missing = missingRecord() {
                need = missing
                return
            }
            guard let entry = nextEntry() else {
                need = .block(expected)
                return
            }
            guard look(at: entry) else { return }
        }
    }

    /// Ends the run with the first of the findings up to a number, if there is one.
    mutating func end(through number: SequenceNumber) {
        finding = findings.first(through: number)
        while passesRecords, let found = finding, found.kind.isOfRecord {
            pass(found)
            findings.remove(found)
            finding = findings.first(through: number)
        }
        need = .nothing
    }

    /// Puts a finding aside, unless its tile has one of the kind: a record that is wrong altogether gives few.
    private mutating func pass(_ found: VerificationFinding) {
        let tile = found.sequenceNumber.leafIndex / UInt64(TileID.width)
        guard passedTiles.updateValue(tile, forKey: found.kind) != tile else { return }
        passed.append(found)
        if found.kind != .checkpointMismatch {
            let number = found.sequenceNumber
            let events = passedEvents ?? number...number
            passedEvents = min(events.lowerBound, number)...max(events.upperBound, number)
        }
    }

    /// What was put aside since this was asked last, in the order in which it was found.
    package mutating func takePassed() -> [VerificationFinding] {
        guard !passed.isEmpty else { return [] }
        defer { passed = [] }
        return passed
    }

    /// The first number of a statement about several events: in the range, and behind what was put aside of them, which
    /// contradicts the statement already.
    ///
    /// - Parameters:
    ///   - leafIndex: of the first of them.
    ///   - end: the number of the last.
    func start(of leafIndex: UInt64, through end: SequenceNumber) -> SequenceNumber {
        let start = max(first, SequenceNumber(leafIndex).next)
        guard let passedEvents else { return start }
        let known = [passedEvents.lowerBound, passedEvents.upperBound].first {
            start <= $0 && $0 <= end
        }
        return known.map { min($0.next, end) } ?? start
    }

    /// The tile or segment that covers the next number and was not handed over yet.
    private mutating func missingRecord() -> Need? {
        let leaf = expected.leafIndex
        guard expected >= first, expected <= last,
            recordsAreDue || leaf.isMultiple(of: UInt64(TileID.width))
        else { return nil }
        for level in 0..<8 {
            let shift = UInt64(TileID.height * (level + 1))
            let id = TileID(level: level, index: shift < 64 ? leaf >> shift : 0)
            guard shift < 64, (id.index + 1) << shift <= head.sequence.rawValue else { break }
            if tiles[level]?.key != id { return .tile(id) }
        }
        let number = leaf / UInt64(IdSegment.width)
        let isFull = (number + 1) * UInt64(IdSegment.width) <= head.sequence.rawValue
        if isFull, segment?.key != number {
            return .segment(number)
        }
        recordsAreDue = false
        return nil
    }

    private mutating func nextEntry() -> ArraySlice<UInt8>? {
        guard let open = block else { return nil }
        if open.position < open.entries.count {
            block?.position += 1
            return open.entries[open.position]
        }
        brokenEnd = open.problem
        block = nil
        return nil
    }
}

// MARK: - Blocks

extension LedgerVerifier {
    private mutating func open(_ number: SequenceNumber, _ framing: BlockFraming) {
        if number > expected {
            skipUnknown(to: min(number, first))
            guard number <= expected else {
                reportMissingBlock(found: "the block \(number)")
                return
            }
        }
        if let problem = brokenEnd {
            // The next block begins where the broken one ended, so what is too much belongs to its
            // last entry.
            brokenEnd = nil
            if expected > first { reportMalformed(problem, at: expected.previous) }
        }
        if number < expected, hasSeenBlock, expected > first {
            reportOverlap(by: number, end: expected)
            return
        }
        hasSeenBlock = true
        let position = number.distance(to: expected)
        block = OpenBlock(
            first: number, entries: framing.entries, problem: framing.problem,
            position: Int(min(position, UInt64(framing.entries.count))))
    }

    /// Leaves events below the range unknown that no block holds.
    private mutating func skipUnknown(to number: SequenceNumber) {
        while expected < number {
            passContext(leaf: nil, timestamp: nil)
        }
    }

    private mutating func reportMissingBlock(found: String) {
        let number = max(first, expected)
        if let problem = brokenEnd {
            reportMalformed(problem, at: number)
        } else {
            findings.add(
                .blockMissing, at: number, expected: "a block that holds \(number)", actual: found)
        }
        end(through: number)
    }

    private mutating func reportOverlap(by number: SequenceNumber, end: SequenceNumber) {
        findings.add(
            .blockOverlap, at: max(number, first), expected: "the block \(end)",
            actual: "the block \(number)")
        self.end(through: end)
    }

    /// Asks for the block behind the one that holds the end of a valid range: it may repeat
    /// numbers.
    mutating func closeRange() {
        guard finding == nil, let open = block, open.first <= last else { return }
        isClosing = true
        need = .block(open.first.advanced(by: UInt64(open.entries.count)))
    }

    private mutating func close(before number: SequenceNumber) {
        need = .nothing
        if number <= last { reportOverlap(by: number, end: last.next) }
    }

    mutating func reportMalformed(_ problem: FormatError, at number: SequenceNumber) {
        findings.add(
            .entryMalformed, at: number, expected: "a well-formed entry", actual: problem.message)
    }
}
