/// One part of the id index's table: open addressing with linear probing over positions of events.
///
/// A slot holds a position, which is a sequence number and so never 0; 0 is an empty slot. The
/// fingerprint that belongs to a position is kept by the segments.
struct IdIndexShard: Sendable {
    private var slots: [UInt32]
    private var count = 0

    /// An empty shard with room for `expected` positions.
    ///
    /// The first capacities of the shards lie between 16 and 24 and each growth is by half, so that
    /// the shards of an index grow at evenly spread times instead of all at once.
    init(number: Int, of shards: Int, expected: Int) {
        var capacity = 16 + number * 8 / shards
        while capacity / 5 * 4 < expected { capacity += capacity / 2 }
        slots = Array(repeating: 0, count: capacity)
    }

    private init(capacity: Int) {
        slots = Array(repeating: 0, count: capacity)
    }

    /// Whether the next insertion should go into a larger shard: four fifths of the slots are
    /// taken.
    var isCrowded: Bool { count * 5 >= slots.count * 4 }

    /// An empty shard, larger by half.
    func emptyLarger() -> IdIndexShard { IdIndexShard(capacity: slots.count + slots.count / 2) }

    /// The positions of all events of the shard.
    var positions: some Sequence<UInt32> { slots.lazy.filter { $0 != 0 } }

    mutating func insert(_ hash: UInt32, position: UInt32) {
        var slot = home(of: hash)
        while slots[slot] != 0 {
            slot = next(slot)
        }
        slots[slot] = position
        count += 1
    }

    /// The first position on the hash's way that matches.
    func first(_ hash: UInt32, where matches: (UInt32) -> Bool) -> UInt32? {
        var slot = home(of: hash)
        // A shard is never full, so that an empty slot ends every search.
        while slots[slot] != 0 {
            if matches(slots[slot]) { return slots[slot] }
            slot = next(slot)
        }
        return nil
    }

    /// All positions on the hash's way that match.
    func all(_ hash: UInt32, where matches: (UInt32) -> Bool) -> [UInt32] {
        var found: [UInt32] = []
        var slot = home(of: hash)
        while slots[slot] != 0 {
            if matches(slots[slot]) { found.append(slots[slot]) }
            slot = next(slot)
        }
        return found
    }

    private func home(of hash: UInt32) -> Int {
        Int((UInt64(hash) * UInt64(slots.count)) >> 32)
    }

    private func next(_ slot: Int) -> Int {
        slot + 1 == slots.count ? 0 : slot + 1
    }
}
