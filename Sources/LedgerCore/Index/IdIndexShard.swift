/// One part of the id index's table: open addressing with linear probing over positions of events.
///
/// A slot holds a position, which is a sequence number and so never 0; 0 is an empty slot. The fingerprint that belongs
/// to a position is kept by the segments. Beside each slot stands a tag, eight bits of the hash, so that hardly any
/// other segment than the one that is wanted has to be looked at.
///
/// A search ends after `longestWay` slots, whatever is in them: what found no slot on that way is kept elsewhere, by
/// whoever owns the shard.
struct IdIndexShard: Sendable {
    /// So many slots are looked at for one hash.
    static let longestWay = 128

    /// What looking along a hash's way has come to.
    enum Way: Hashable, Sendable {
        /// A position that matches.
        case found(UInt32)
        /// None matches; the first empty slot.
        case empty(Int)
        /// None matches, and there is no room.
        case full
    }

    private var slots: [UInt32]
    private var tags: [UInt8]
    private var count = 0

    /// How many slots a shard has in the beginning that has room for `expected` positions.
    ///
    /// The first capacities of the shards lie between 16 and 24 and each growth is by half, so that
    /// the shards of an index grow at evenly spread times instead of all at once.
    static func capacity(of number: Int, among shards: Int, expected: Int) -> Int {
        var capacity = 16 + number * 8 / shards
        while capacity / 5 * 4 < expected { capacity += capacity / 2 }
        return capacity
    }

    /// An empty shard.
    init(capacity: Int) {
        slots = Array(repeating: 0, count: capacity)
        tags = Array(repeating: 0, count: capacity)
    }

    /// Whether the next insertion should go into a larger shard: four fifths of the slots are
    /// taken.
    var isCrowded: Bool { count * 5 >= slots.count * 4 }

    /// The bytes of slots and tags.
    var memoryBytes: Int { slots.count * (MemoryLayout<UInt32>.size + 1) }

    /// An empty shard, larger by half.
    func emptyLarger() -> IdIndexShard { IdIndexShard(capacity: slots.count + slots.count / 2) }

    /// The positions of all events of the shard.
    var positions: some Sequence<UInt32> { slots.lazy.filter { $0 != 0 } }

    /// Looks for a position that matches; there is one at most.
    func look(_ hash: IdIndexHash, where matches: (UInt32) -> Bool) -> Way {
        var slot = home(of: hash)
        for _ in 0..<min(Self.longestWay, slots.count) {
            let position = slots[slot]
            if position == 0 { return .empty(slot) }
            if tags[slot] == hash.tag, matches(position) { return .found(position) }
            slot = next(slot)
        }
        return .full
    }

    /// Puts a position into a slot that a look on its hash's way found to be empty.
    mutating func put(_ position: UInt32, _ hash: IdIndexHash, in slot: Int) {
        slots[slot] = position
        tags[slot] = hash.tag
        count += 1
    }

    private func home(of hash: IdIndexHash) -> Int {
        Int((UInt64(hash.place) * UInt64(slots.count)) >> 32)
    }

    private func next(_ slot: Int) -> Int {
        slot + 1 == slots.count ? 0 : slot + 1
    }
}

/// Where a fingerprint is looked for: its shard, its way through the shard, and its tag.
///
/// Fingerprints are uniform unless made on purpose. Two rounds of a multiplication of 128 bits with a secret on either
/// side take the purpose away: who does not know the seed cannot prepare ids that share a way.
struct IdIndexHash: Hashable, Sendable {
    let shard: Int
    let place: UInt32
    let tag: UInt8

    init(shard: Int, place: UInt32, tag: UInt8) {
        self.shard = shard
        self.place = place
        self.tag = tag
    }

    /// - Parameter shardBits: the binary logarithm of the number of shards.
    init(_ fingerprint: Fingerprint, key: Key, shardBits: Int) {
        let mixed = Self.fold(
            Self.fold(fingerprint.value ^ key.first, key.second) ^ key.third, key.fourth)
        shard = Int(truncatingIfNeeded: mixed >> UInt64(64 - shardBits))
        place = UInt32(truncatingIfNeeded: mixed >> UInt64(32 - shardBits))
        tag = UInt8(truncatingIfNeeded: mixed)
    }

    /// Four secret numbers, made of one random one.
    struct Key: Hashable, Sendable {
        let first, second, third, fourth: UInt64

        init(seed: UInt64) {
            var state = seed
            // SplitMix64; the factors are odd, so that none of them wipes out what it is multiplied with.
            func next() -> UInt64 {
                state &+= 0x9E37_79B9_7F4A_7C15
                var mixed = state
                mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
                mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
                return mixed ^ (mixed >> 31)
            }
            first = next()
            second = next() | 1
            third = next()
            fourth = next() | 1
        }
    }

    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (high, low) = left.multipliedFullWidth(by: right)
        return high ^ low
    }
}
