import Testing

@testable import LedgerCore

@Suite("IdIndexShard")
struct IdIndexShardTests {
    /// Once every hash had its home in slot 0, because a shift bound tighter than the product it
    /// was meant for: everything was found, after looking at everything.
    @Test("a search looks at a few positions, not at the whole shard")
    func spreads() {
        withSeed { generator in
            var shard = IdIndexShard(number: 0, of: 1, expected: 3000)
            for position in 1...3000 {
                shard.insert(
                    UInt32.random(in: 0...UInt32.max, using: &generator), position: UInt32(position)
                )
            }
            var looks = 0
            for _ in 0..<1000 {
                _ = shard.first(UInt32.random(in: 0...UInt32.max, using: &generator)) { _ in
                    looks += 1
                    return false
                }
            }
            #expect(looks < 20_000)
        }
    }

    @Test("shards of one index grow at different times, and by half")
    func growth() {
        let firsts = (0..<4096).map { number in
            var shard = IdIndexShard(number: number, of: 4096, expected: 0)
            var count = 0
            while !shard.isCrowded {
                count += 1
                shard.insert(UInt32(count) << 26, position: UInt32(count))
            }
            return count
        }
        #expect(Set(firsts).count >= 6)
        #expect(firsts.min().map { $0 >= 12 } == true)
    }
}
