/// Where the id index looks for a fingerprint: its shard, and the tag that stands for it there.
///
/// Fingerprints are uniform unless made on purpose. Two rounds of a multiplication of 128 bits with a secret on either
/// side take the purpose away: who does not know the seed cannot prepare ids that share a way, or a tag.
struct IdIndexHash: Hashable, Sendable {
    let shard: Int
    let tag: UInt32

    init(shard: Int, tag: UInt32) {
        self.shard = shard
        self.tag = tag
    }

    /// Shard and tag as one number: what the index keeps apart.
    var place: UInt64 { UInt64(shard) << 32 | UInt64(tag) }
}

/// Makes the hashes of one id index, of the secret that its seed gives.
package struct IdIndexHashing: Hashable, Sendable {
    private let first, second, third, fourth: UInt64
    /// The binary logarithm of the number of shards.
    let shardBits: Int

    init(seed: UInt64, shardBits: Int) {
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
        self.shardBits = shardBits
    }

    var shardCount: Int { 1 << shardBits }

    func hash(of fingerprint: Fingerprint) -> IdIndexHash {
        let mixed = mix(fingerprint.value)
        return IdIndexHash(shard: shard(of: mixed), tag: tag(of: mixed))
    }

    /// 64 bits: the shard's first, the tag's next, and a rest that is not used.
    func mix(_ fingerprint: UInt64) -> UInt64 {
        Self.fold(Self.fold(fingerprint ^ first, second) ^ third, fourth)
    }

    func shard(of mixed: UInt64) -> Int {
        Int(truncatingIfNeeded: mixed >> UInt64(64 - shardBits))
    }

    func tag(of mixed: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: mixed >> UInt64(32 - shardBits))
    }

    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (high, low) = left.multipliedFullWidth(by: right)
        return high ^ low
    }
}
