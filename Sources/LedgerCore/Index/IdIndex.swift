/// Which sequence numbers an event id may have, for all events 1...count, and where their blocks
/// begin.
///
/// A fingerprint that is not found proves that no event of the ledger has the id; a hit proves
/// nothing, for different ids can have equal fingerprints (FORMATS.md, Keys). Holds about 14 bytes
/// an event: 8 for the fingerprint, 6 for its place in the table. The table consists of 4,096
/// shards that grow one by one at different times, so that no single append waits for more than one
/// shard.
///
/// Copying shares storage; changing a copy that shares it copies what it touches. Keep one owner.
package struct IdIndex: Sendable {
    /// The most events: positions have 32 bits. A ledger that outgrows it needs a new index, not a
    /// new format.
    package static let maxCount: UInt64 = 1 << 32 - 1

    private static let shardBits: UInt64 = 12

    private var segments: [IdSegment]
    private var shards: [IdIndexShard]
    private let seed: UInt64

    /// An index without events.
    ///
    /// - Parameters:
    ///   - seed: a random number, so that nobody can prepare event ids that crowd one place of the
    ///     table.
    ///   - expectedCount: how many events will be loaded at once, so that the table does not grow
    ///     meanwhile.
    package init(seed: UInt64 = 0, expectedCount: UInt64 = 0) {
        self.seed = seed
        segments = [IdSegment(number: 0)]
        let count = 1 << Int(Self.shardBits)
        let share = Int(min(expectedCount, Self.maxCount)) / count
        shards = (0..<count).map { IdIndexShard(number: $0, of: count, expected: share) }
    }

    /// The number of events: the index covers 1...count.
    package var count: UInt64 {
        UInt64(segments.count - 1) * UInt64(IdSegment.width) + UInt64(openSegment.count)
    }

    /// The segment that takes the next event; never full.
    package var openSegment: IdSegment { segments[segments.count - 1] }

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

    /// Some event with this fingerprint; nil proves that there is none. Allocates nothing.
    package func firstCandidate(for fingerprint: Fingerprint) -> SequenceNumber? {
        let place = place(of: fingerprint)
        return shards[place.shard].first(place.hash) { value(at: $0) == fingerprint.value }
            .map { SequenceNumber(UInt64($0)) }
    }

    /// The numbers of all events with this fingerprint, ascending.
    package func candidates(for fingerprint: Fingerprint) -> [SequenceNumber] {
        let place = place(of: fingerprint)
        return shards[place.shard].all(place.hash) { value(at: $0) == fingerprint.value }
            .map { SequenceNumber(UInt64($0)) }
            .sorted()
    }

    private func covers(_ number: SequenceNumber) -> Bool {
        number >= .first && number.rawValue <= count
    }

    private func value(at position: UInt32) -> UInt64 {
        let index = Int(position) - 1
        return segments[index / IdSegment.width].value(at: index % IdSegment.width)
    }

    private mutating func insert(_ fingerprint: Fingerprint, position: UInt32) {
        let place = place(of: fingerprint)
        if shards[place.shard].isCrowded { growShard(place.shard) }
        shards[place.shard].insert(place.hash, position: position)
    }

    private mutating func growShard(_ number: Int) {
        var grown = shards[number].emptyLarger()
        for position in shards[number].positions {
            grown.insert(
                place(of: Fingerprint(value: value(at: position))).hash, position: position)
        }
        shards[number] = grown
    }

    /// The shard of a fingerprint and its hash within the shard.
    private func place(of fingerprint: Fingerprint) -> (shard: Int, hash: UInt32) {
        // Fingerprints are uniform unless made on purpose; mixing them with the seed takes the
        // purpose away.
        var mixed = (fingerprint.value ^ seed) &* 0x9E37_79B9_7F4A_7C15
        mixed ^= mixed >> 32
        mixed = mixed &* 0xD6E8_FEB8_6659_FD93
        return (
            Int(mixed >> (64 - Self.shardBits)),
            UInt32(truncatingIfNeeded: mixed >> (32 - Self.shardBits))
        )
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
