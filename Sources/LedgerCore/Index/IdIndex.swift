/// Which sequence numbers an event id may have, for all events 1...count, and where their blocks
/// begin.
///
/// Nothing that was appended can be overlooked: a fingerprint that is not found proves that no event of the ledger has
/// the id (formats.md, "Keys in etcd"). A hit proves nothing: what is compared are 44 bits of a keyed hash, 12 that
/// choose a shard and 32 that the shard keeps. Among n events a fingerprint that none of them has finds one with a
/// probability of n / 2^44, which is 6 in a million searches at 100 million events and 240 at 4 billion; such a hit costs
/// the reading of one block. Who does not know the seed cannot prepare ids that hit more often, unless their whole
/// fingerprints are equal.
///
/// Holds about 10 bytes an event: 8 for hash and position in a table that is nine tenths full at most, and one bit for
/// where blocks begin. The fingerprints themselves are kept only of the segment that is not full, from which `ids/<n>`
/// will be written. The table consists of 4,096 shards that grow one by one at different times, so that no single append
/// waits for more than one shard.
///
/// The work for one id is bounded whatever the ids are: a shard looks at so many slots at most. What has no place there is
/// kept in `elsewhere`; every search asks both.
///
/// Copying shares storage; changing a copy that shares it copies what it touches. Keep one owner.
package struct IdIndex: Sendable {
    /// The most events: positions have 32 bits. A ledger that outgrows it needs a new index, not a
    /// new format.
    package static let maxCount: UInt64 = 1 << 32 - 1

    /// The segment that takes the next event; never full.
    package private(set) var openSegment = IdSegment(number: 0)
    /// Of all segments that are full: what they were, for whoever reads the next ones out of an archive.
    package private(set) var fullSegments = SegmentsDigest()
    /// Of each of them: 32 bytes for 4,096 events.
    private var segmentDigests: [Digest] = []
    /// What makes the hashes of this index, for batches.
    package let hashing: IdIndexHashing

    private let mostEvents: UInt64
    private var starts = BlockStartBitmap()
    private var shards: [IdIndexShard]
    /// The positions, ascending, of what has no place in the table, by shard and tag.
    private var elsewhere: [UInt64: [UInt32]] = [:]

    /// An index without events.
    ///
    /// - Parameters:
    ///   - seed: a random number, so that nobody can prepare event ids that crowd one place of the
    ///     table.
    ///   - expectedCount: how many events will be loaded at once, so that the table does not grow
    ///     meanwhile.
    ///   - shardBits: the binary logarithm of the number of shards; 12 but in tests.
    ///   - mostEvents: how many events it takes; `maxCount` but in tests.
    package init(
        seed: UInt64, expectedCount: UInt64 = 0, shardBits: Int = 12,
        mostEvents: UInt64 = IdIndex.maxCount
    ) {
        self.mostEvents = mostEvents
        hashing = IdIndexHashing(seed: seed, shardBits: shardBits)
        let count = hashing.shardCount
        let share = Int(min(expectedCount, Self.maxCount)) / count
        shards = (0..<count).map { number in
            IdIndexShard(
                homes: IdIndexShard.homes(of: number, among: count, expected: share))
        }
    }

    /// The number of events: the index covers 1...count.
    package var count: UInt64 { starts.count }

    /// The places that the table has no room for, for tests.
    var crowdedOut: Int { elsewhere.count }

    /// The slots of the table.
    var capacity: Int { shards.reduce(0) { $0 + $1.capacity } }

    /// The bytes that table and bitmap take in memory, roughly.
    package var memoryBytes: Int {
        capacity * MemoryLayout<UInt64>.size + Int(count / 8) + IdSegment.byteCount
            + elsewhere.count * Self.elsewhereBytes
    }

    /// What one place takes for which there is no room in the table, roughly.
    private static let elsewhereBytes = 64

    /// Whether the index can take so many more events.
    package func hasRoom(for events: Int) -> Bool {
        count + UInt64(events) <= mostEvents
    }

    /// Appends the event count+1, for which there must be room.
    package mutating func append(_ fingerprint: Fingerprint, startsBlock: Bool) {
        precondition(hasRoom(for: 1), "the id index is full")
        openSegment.append(fingerprint, startsBlock: startsBlock)
        starts.append(startsBlock)
        insert(hashing.hash(of: fingerprint), position: UInt32(count))
        guard openSegment.isFull else { return }
        append(SegmentsDigest.ofSegment(openSegment.bytes))
        openSegment = IdSegment(number: openSegment.number + 1)
    }

    /// Appends segments that follow directly on full ones.
    ///
    /// - Throws: `FormatError` where they do not, or are more than the index can hold.
    package mutating func append(_ batch: IdIndexBatch) throws(FormatError) {
        precondition(batch.hashing == hashing, "a batch for another index")
        guard hasRoom(for: batch.digests.count * IdSegment.width) else { throw Self.isFull }
        guard openSegment.count == 0, openSegment.number == batch.first else {
            throw FormatError(
                .inconsistent, "ids segment \(batch.first) does not follow event \(count)")
        }
        starts.append(words: batch.starts)
        var next = 0
        for (shard, end) in batch.ends.enumerated() {
            for entry in batch.entries[next..<end] {
                insert(
                    IdIndexHash(shard: shard, tag: UInt32(truncatingIfNeeded: entry >> 32)),
                    position: UInt32(truncatingIfNeeded: entry))
            }
            next = end
        }
        for digest in batch.digests { append(digest) }
        openSegment = IdSegment(number: batch.first + UInt64(batch.digests.count))
    }

    private mutating func append(_ segment: Digest) {
        fullSegments.append(segment)
        segmentDigests.append(segment)
    }

    /// The digest of a full segment's stored bytes; nil where the index does not cover it.
    package func digest(ofSegment number: UInt64) -> Digest? {
        number < UInt64(segmentDigests.count) ? segmentDigests[Int(number)] : nil
    }

    /// Whether an event with this fingerprint may exist.
    package func contains(_ fingerprint: Fingerprint) -> Bool {
        firstCandidate(for: fingerprint) != nil
    }

    /// The first event that may have this fingerprint; nil proves that there is none. Allocates nothing.
    package func firstCandidate(for fingerprint: Fingerprint) -> SequenceNumber? {
        let hash = hashing.hash(of: fingerprint)
        let found = shards[hash.shard].firstPosition(hash.tag)
        let further = elsewhere.isEmpty ? nil : elsewhere[hash.place]?.first
        guard let first = found.map({ min($0, further ?? $0) }) ?? further else { return nil }
        return SequenceNumber(UInt64(first))
    }

    /// The numbers of all events that may have this fingerprint, ascending.
    package func candidates(for fingerprint: Fingerprint) -> [SequenceNumber] {
        let hash = hashing.hash(of: fingerprint)
        var positions = shards[hash.shard].positions(hash.tag)
        if !elsewhere.isEmpty, let further = elsewhere[hash.place] {
            positions += further
            // What stands elsewhere can be older than what found a place after the shard had grown.
            positions.sort()
        }
        return positions.map { SequenceNumber(UInt64($0)) }
    }

    /// How many events may have this fingerprint.
    package func candidateCount(for fingerprint: Fingerprint) -> Int {
        let hash = hashing.hash(of: fingerprint)
        let further = elsewhere.isEmpty ? 0 : elsewhere[hash.place]?.count ?? 0
        return shards[hash.shard].positionCount(hash.tag) + further
    }

    /// What is thrown where events are too many for the index.
    package static var isFull: FormatError {
        FormatError(.outOfBounds, "the id index holds at most 2^32-1 events")
    }

    private mutating func insert(_ hash: IdIndexHash, position: UInt32) {
        if shards[hash.shard].isCrowded { growShard(hash.shard) }
        if shards[hash.shard].insert(hash.tag, position) { return }
        if shards[hash.shard].mayGrow {
            growShard(hash.shard)
            if shards[hash.shard].insert(hash.tag, position) { return }
        }
        putElsewhere(hash.place, position)
    }

    private mutating func growShard(_ number: Int) {
        for (tag, position) in shards[number].grow() {
            putElsewhere(IdIndexHash(shard: number, tag: tag).place, position)
        }
    }

    private mutating func putElsewhere(_ place: UInt64, _ position: UInt32) {
        var positions = elsewhere.removeValue(forKey: place) ?? []
        let index = positions.lastIndex { $0 < position }.map { $0 + 1 } ?? 0
        positions.insert(position, at: index)
        elsewhere[place] = positions
    }
}

// MARK: - Blocks

extension IdIndex {
    /// The first number of the block that holds a number; nil for numbers outside 1...count, or
    /// where the bitmap shows no beginning within the longest block.
    package func blockStart(containing number: SequenceNumber) -> SequenceNumber? {
        starts.last(through: number.rawValue).map { SequenceNumber($0) }
    }

    /// The first number after a number that begins a block; nil where the index knows of none
    /// within the longest block.
    package func blockStart(after number: SequenceNumber) -> SequenceNumber? {
        starts.first(after: number.rawValue).map { SequenceNumber($0) }
    }

    /// The last number of the block that holds a number; nil for numbers outside 1...count.
    package func blockEnd(containing number: SequenceNumber) -> SequenceNumber? {
        guard number >= .first && number.rawValue <= count else { return nil }
        return blockStart(after: number)?.previous ?? SequenceNumber(count)
    }
}
