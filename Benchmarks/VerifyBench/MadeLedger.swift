internal import LedgerCore

/// A ledger in memory, as sealing would have stored it.
struct MadeLedger {
    private var blocks: [(first: SequenceNumber, value: [UInt8])] = []
    private var entries: [[UInt8]] = []
    private var tiles: [TileID: [UInt8]] = [:]
    private var segments: [UInt64: [UInt8]] = [:]
    private let head: Head

    /// The bytes of all entries.
    var entryBytes: Int { entries.reduce(0) { $0 + $1.count } }

    init(events: Int, blockEvents: Int, payloadBytes: Int) throws {
        var stack = TileStack()
        var segment = IdSegment(number: 0)
        var previousHash = Digest.zero
        var timestamp: Int64 = 0
        for first in stride(from: 1, through: events, by: blockEvents) {
            var value: [UInt8] = []
            timestamp = 1_700_000_000_000 + Int64(first)
            for number in first..<min(first + blockEvents, events + 1) {
                let entry = try Self.template(number, payloadBytes).bytes(
                    sequenceNumber: SequenceNumber(UInt64(number)), sealedTimestamp: timestamp,
                    previousHash: previousHash)
                Block.append(entry, to: &value)
                for tile in stack.append(MerkleTree.leafHash(of: entry)) {
                    tiles[tile.id] = tile.bytes
                }
                let view = try EntryView(decoding: entry[...])
                segment.append(view.fingerprint, startsBlock: number == first)
                if segment.isFull {
                    segments[segment.number] = segment.bytes
                    segment = IdSegment(number: segment.number + 1)
                }
                previousHash = view.eventHash
                entries.append(entry)
            }
            blocks.append((SequenceNumber(UInt64(first)), value))
        }
        head = Head(
            sequence: SequenceNumber(UInt64(events)), eventHash: previousHash,
            sealedTimestamp: timestamp, tree: stack.frontier)
    }

    private static func template(_ number: Int, _ payloadBytes: Int) throws -> EntryTemplate {
        let event = try CertifiedEvent(
            eventID: Array("bench-0123456789-\(number)".utf8),
            payload: (0..<payloadBytes).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) },
            vepsSignature: [], vepsTimestamp: 1_700_000_000_000, metadata: [], submitter: [],
            limits: EventLimits())
        return EntryTemplate(event)
    }

    /// The baseline: the SHA-256 of every entry.
    func hash() {
        var last = Digest.zero
        for entry in entries { last = Digest.sha256(entry) }
        precondition(last == head.eventHash, "the last hash is the head's")
    }

    /// Verifies everything.
    func verify() {
        var verifier = LedgerVerifier(
            first: .first, last: head.sequence, head: head, base: MerkleFrontier())
        var next = 0
        while true {
            switch verifier.need {
            case .block:
                guard next < blocks.count else {
                    verifier.consumeEndOfBlocks()
                    continue
                }
                verifier.consume(block: blocks[next].first, value: blocks[next].value)
                next += 1
            case .tile(let id): verifier.consume(tile: id, value: tiles[id])
            case .segment(let number): verifier.consume(segment: number, value: segments[number])
            case .nothing:
                precondition(
                    verifier.finding == nil && verifier.eventsVerified == head.sequence.rawValue,
                    "\(String(describing: verifier.finding))")
                return
            }
        }
    }
}
