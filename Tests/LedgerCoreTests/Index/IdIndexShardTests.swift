import Testing

@testable import LedgerCore

@Suite("IdIndexShard")
struct IdIndexShardTests {
    private func hash(_ place: UInt32, tag: UInt8 = 0) -> IdIndexHash {
        IdIndexHash(shard: 0, place: place, tag: tag)
    }

    private func put(_ position: UInt32, _ hash: IdIndexHash, into shard: inout IdIndexShard) {
        if case .empty(let slot) = shard.look(hash, where: { _ in false }) {
            shard.put(position, hash, in: slot)
        }
    }

    /// Once every hash had its home in slot 0, because a shift bound tighter than the product it
    /// was meant for: everything was found, after looking at everything.
    @Test("a search looks at a few positions, not at the whole shard")
    func spreads() {
        withSeed { generator in
            var shard = IdIndexShard(
                capacity: IdIndexShard.capacity(of: 0, among: 1, expected: 3000))
            for position in 1...3000 {
                put(
                    UInt32(position), hash(UInt32.random(in: 0...UInt32.max, using: &generator)),
                    into: &shard)
            }
            var looks = 0
            for _ in 0..<1000 {
                let place = UInt32.random(in: 0...UInt32.max, using: &generator)
                _ = shard.look(hash(place)) { _ in
                    looks += 1
                    return false
                }
            }
            #expect(looks < 20_000)
        }
    }

    @Test("hashes made to share one way look at a bounded number of slots each")
    func crafted() {
        var shard = IdIndexShard(
            capacity: IdIndexShard.capacity(of: 0, among: 1, expected: 100_000))
        var looks = 0
        var full = 0
        for position in UInt32(1)...100_000 {
            let way = shard.look(hash(1 << 20)) { _ in
                looks += 1
                return false
            }
            switch way {
            case .empty(let slot): shard.put(position, hash(1 << 20), in: slot)
            case .full: full += 1
            case .found: Issue.record("nothing matches")
            }
        }
        #expect(full == 100_000 - IdIndexShard.longestWay)
        #expect(looks <= 100_000 * IdIndexShard.longestWay)
    }

    @Test("segments are looked at only where the tags are equal")
    func tags() {
        var shard = IdIndexShard(
            capacity: IdIndexShard.capacity(of: 0, among: 1, expected: 200))
        for position in UInt32(1)...100 {
            put(position, hash(7, tag: UInt8(position)), into: &shard)
        }
        var looked: [UInt32] = []
        let way = shard.look(hash(7, tag: 40)) {
            looked.append($0)
            return true
        }
        #expect(way == .found(40))
        #expect(looked == [40])
    }

    @Test("shards of one index grow at different times, and by half")
    func growth() {
        let firsts = (0..<4096).map { number in
            var shard = IdIndexShard(
                capacity: IdIndexShard.capacity(of: number, among: 4096, expected: 0))
            var count = 0
            while !shard.isCrowded {
                count += 1
                put(UInt32(count), hash(UInt32(count) << 26), into: &shard)
            }
            return count
        }
        #expect(Set(firsts).count >= 6)
        #expect(firsts.min().map { $0 >= 12 } == true)
    }
}
