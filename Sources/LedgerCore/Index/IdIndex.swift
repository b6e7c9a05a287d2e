/// Which sequence numbers an event id may have, for all events 1...count, and where their blocks
/// begin.
///
/// A fingerprint that is not found proves that no event of the ledger has the id; a hit proves
/// nothing, for different ids can have equal fingerprints (formats.md, "Keys in etcd"). Holds about 16 bytes
/// an event: 8 for the fingerprint, 8 for its place in the table. The table consists of 4,096
/// shards that grow one by one at different times, so that no single append waits for more than one
/// shard.
///
/// The work for one id is bounded whatever the ids are. The table holds one position for a fingerprint, the first, and
/// looks at so many slots at most. What has no place there, because its fingerprint has one already or the way is full,
/// is kept in `elsewhere`; every search asks both, so that nothing that was appended can be overlooked.
///
/// Copying shares storage; changing a copy that shares it copies what it touches. Keep one owner.
package struct IdIndex: Sendable {
    /// The most events: positions have 32 bits. A ledger that outgrows it needs a new index, not a
    /// new format.
    package static let maxCount: UInt64 = 1 << 32 - 1

    private var segments: [IdSegment]
    private var shards: [IdIndexShard]
    /// The positions, ascending, of what has no place in the table.
    private var elsewhere: [Fingerprint: [UInt32]] = [:]
    private let key: IdIndexHash.Key
    private let shardBits: Int

    /// An index without events.
    ///
    /// - Parameters:
    ///   - seed: a random number, so that nobody can prepare event ids that crowd one place of the
    ///     table.
    ///   - expectedCount: how many events will be loaded at once, so that the table does not grow
    ///     meanwhile.
    ///   - shardBits: the binary logarithm of the number of shards; 12 but in tests.
    package init(seed: UInt64, expectedCount: UInt64 = 0, shardBits: Int = 12) {
        key = IdIndexHash.Key(seed: seed)
        self.shardBits = shardBits
        segments = [IdSegment(number: 0)]
        let count = 1 << shardBits
        let share = Int(min(expectedCount, Self.maxCount)) / count
        // What is equal and empty shares its storage until something is put into it.
        var empty: [Int: IdIndexShard] = [:]
        shards = (0..<count).map { number in
            let capacity = IdIndexShard.capacity(of: number, among: count, expected: share)
            let shard = empty[capacity] ?? IdIndexShard(capacity: capacity)
            if share == 0 { empty[capacity] = shard }
            return shard
        }
    }

    /// The number of events: the index covers 1...count.
    package var count: UInt64 {
        UInt64(segments.count - 1) * UInt64(IdSegment.width) + UInt64(openSegment.count)
    }

    /// The segment that takes the next event; never full.
    package var openSegment: IdSegment { segments[segments.count - 1] }

    /// The bytes that segments and table take in memory, roughly.
    package var memoryBytes: Int {
        segments.count * IdSegment.byteCount + shards.reduce(0) { $0 + $1.memoryBytes }
            + elsewhere.count * Self.elsewhereBytes
    }

    /// What one fingerprint takes that has no place in the table, roughly.
    private static let elsewhereBytes = 64

    /// The fingerprints that have no place in the table, for tests.
    var crowdedOut: Int { elsewhere.count }

    /// Whether the index can take so many more events.
    package func hasRoom(for events: Int) -> Bool {
        count + UInt64(events) <= Self.maxCount
    }

    /// Appends the event count+1, for which there must be room.
    package mutating func append(_ fingerprint: Fingerprint, startsBlock: Bool) {
        precondition(hasRoom(for: 1), "the id index is full")
        let position = UInt32(count + 1)
        segments[segments.count - 1].append(fingerprint, startsBlock: startsBlock)
        insert(fingerprint, position: position)
        if segments[segments.count - 1].isFull {
            segments.append(IdSegment(number: UInt64(segments.count)))
        }
    }

    /// Appends the 4,096 events of a stored segment, which must be the next one after full
    /// segments.
    package mutating func load(segment value: [UInt8], number: UInt64) throws(FormatError) {
        guard openSegment.count == 0, openSegment.number == number else {
            throw FormatError(
                .inconsistent, "ids segment \(number) does not follow event \(count)")
        }
        guard hasRoom(for: IdSegment.width) else {
            throw FormatError(.outOfBounds, "the id index holds at most 2^32-1 events")
        }
        let segment = try IdSegment(number: number, decoding: value)
        segments[segments.count - 1] = segment
        for position in 0..<IdSegment.width {
            insert(
                segment.fingerprint(at: position),
                position: UInt32(segment.first.rawValue + UInt64(position)))
        }
        segments.append(IdSegment(number: number + 1))
    }

    /// The value of `ids/<number>`; nil for a segment that is not full.
    package func segmentBytes(_ number: UInt64) -> [UInt8]? {
        number < UInt64(segments.count - 1) ? segments[Int(number)].bytes : nil
    }

    /// The fingerprint of an event; nil for numbers outside 1...count.
    package func fingerprint(of number: SequenceNumber) -> Fingerprint? {
        guard covers(number) else { return nil }
        let index = Int(number.leafIndex)
        return segments[index / IdSegment.width].fingerprint(at: index % IdSegment.width)
    }

    /// Whether an event with this fingerprint exists.
    package func contains(_ fingerprint: Fingerprint) -> Bool {
        firstCandidate(for: fingerprint) != nil
    }

    /// The first event with this fingerprint; nil proves that there is none. Allocates nothing.
    package func firstCandidate(for fingerprint: Fingerprint) -> SequenceNumber? {
        let hash = hash(of: fingerprint)
        if case .found(let position) = look(hash, fingerprint) {
            return SequenceNumber(UInt64(position))
        }
        if elsewhere.isEmpty { return nil }
        return elsewhere[fingerprint]?.first.map { SequenceNumber(UInt64($0)) }
    }

    /// The numbers of all events with this fingerprint, ascending.
    package func candidates(for fingerprint: Fingerprint) -> [SequenceNumber] {
        var numbers: [SequenceNumber] = []
        if case .found(let first) = look(hash(of: fingerprint), fingerprint) {
            numbers.append(SequenceNumber(UInt64(first)))
        }
        guard !elsewhere.isEmpty, let further = elsewhere[fingerprint] else { return numbers }
        return numbers + further.map { SequenceNumber(UInt64($0)) }
    }

    /// How many events have this fingerprint.
    package func candidateCount(for fingerprint: Fingerprint) -> Int {
        let further = elsewhere.isEmpty ? 0 : elsewhere[fingerprint]?.count ?? 0
        if case .found = look(hash(of: fingerprint), fingerprint) { return further + 1 }
        return further
    }

    private func covers(_ number: SequenceNumber) -> Bool {
        number >= .first && number.rawValue <= count
    }

    private func value(at position: UInt32) -> UInt64 {
        let index = Int(position) - 1
        return segments[index / IdSegment.width].value(at: index % IdSegment.width)
    }

    private mutating func insert(_ fingerprint: Fingerprint, position: UInt32) {
        let hash = hash(of: fingerprint)
        if shards[hash.shard].isCrowded { growShard(hash.shard) }
        // What was put elsewhere once stays there, also when its shard has grown since: the order of a fingerprint's
        // positions rests on it.
        guard elsewhere.isEmpty || elsewhere[fingerprint] == nil,
            case .empty(let slot) = look(hash, fingerprint)
        else {
            elsewhere[fingerprint, default: []].append(position)
            return
        }
        shards[hash.shard].put(position, hash, in: slot)
    }

    private mutating func growShard(_ number: Int) {
        var grown = shards[number].emptyLarger()
        for position in shards[number].positions {
            let fingerprint = Fingerprint(value: value(at: position))
            let hash = hash(of: fingerprint)
            // No two of a shard's positions have one fingerprint.
            if case .empty(let slot) = grown.look(hash, where: { _ in false }) {
                grown.put(position, hash, in: slot)
            } else {
                elsewhere[fingerprint, default: []].insert(position, at: 0)
            }
        }
        shards[number] = grown
    }

    private func look(_ hash: IdIndexHash, _ fingerprint: Fingerprint) -> IdIndexShard.Way {
        shards[hash.shard].look(hash) { value(at: $0) == fingerprint.value }
    }

    private func hash(of fingerprint: Fingerprint) -> IdIndexHash {
        IdIndexHash(fingerprint, key: key, shardBits: shardBits)
    }
}

// MARK: - Blocks

extension IdIndex {
    /// The first number of the block that holds a number; nil for numbers outside 1...count, or
    /// where the bitmap shows no beginning within the longest block.
    package func blockStart(containing number: SequenceNumber) -> SequenceNumber? {
        guard covers(number) else { return nil }
        var candidate = number
        for _ in 0..<Block.maxEntries {
            if startsBlock(candidate) { return candidate }
            guard candidate > .first else { return nil }
            candidate = candidate.previous
        }
        return nil
    }

    /// The first number after a number that begins a block; nil where the index knows of none
    /// within the longest block.
    package func blockStart(after number: SequenceNumber) -> SequenceNumber? {
        var candidate = number.next
        for _ in 0..<Block.maxEntries {
            guard covers(candidate) else { return nil }
            if startsBlock(candidate) { return candidate }
            candidate = candidate.next
        }
        return nil
    }

    /// The last number of the block that holds a number; nil for numbers outside 1...count.
    package func blockEnd(containing number: SequenceNumber) -> SequenceNumber? {
        guard covers(number) else { return nil }
        return blockStart(after: number)?.previous ?? SequenceNumber(count)
    }

    private func startsBlock(_ number: SequenceNumber) -> Bool {
        let index = Int(number.leafIndex)
        return segments[index / IdSegment.width].startsBlock(at: index % IdSegment.width)
    }
}
