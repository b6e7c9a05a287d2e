import Testing

@testable import LedgerCore

@Suite("IdIndexShard")
struct IdIndexShardTests {
    private func shard(expecting count: Int) -> IdIndexShard {
        IdIndexShard(homes: IdIndexShard.homes(of: 0, among: 1, expected: count))
    }

    /// Once every hash had its home in slot 0, because a shift bound tighter than the product it
    /// was meant for: everything was found, after looking at everything.
    @Test("tags are spread over the whole shard, so that nearly all find a place on their way")
    func spreads() {
        withSeed { generator in
            var shard = shard(expecting: 30_000)
            var refused = 0
            for position in UInt32(1)...30_000 {
                let tag = UInt32.random(in: 0...UInt32.max, using: &generator)
                if !shard.insert(tag, position) { refused += 1 }
            }
            #expect(refused == 0)
            #expect(shard.capacity < 30_000 * 5 / 4)
        }
    }

    @Test("tags made to share one way take its slots, and not one more")
    func crafted() {
        var shard = shard(expecting: 100_000)
        var refused = 0
        for position in UInt32(1)...10_000 where !shard.insert(1 << 20, position) { refused += 1 }
        #expect(refused == 10_000 - IdIndexShard.longestWay)
        #expect(shard.positionCount(1 << 20) == IdIndexShard.longestWay)
        #expect(shard.positions(1 << 20) == Array(1...UInt32(IdIndexShard.longestWay)))
        #expect(shard.firstPosition(1 << 20 + 1) == nil)
    }

    @Test("what is refused changes nothing, and nothing is pushed off its way")
    func refusal() {
        var shard = shard(expecting: 100_000)
        // A full way of one tag, and a lower one with the same home that would push its end off.
        for position in UInt32(1)...UInt32(IdIndexShard.longestWay) {
            let isIn = shard.insert(1 << 20 + 2, position)
            #expect(isIn)
        }
        let isIn = shard.insert(1 << 20, 5_000)
        #expect(!isIn)
        #expect(shard.firstPosition(1 << 20) == nil)
        #expect(shard.positionCount(1 << 20 + 2) == IdIndexShard.longestWay)
    }

    @Test("a growing shard keeps everything, whatever order the tags come in")
    func growing() {
        withSeed { generator in
            var shard = IdIndexShard(homes: 32)
            var model: [UInt32: [UInt32]] = [:]
            for position in UInt32(1)...5_000 {
                let tag = UInt32.random(in: 0...UInt32.max, using: &generator) & 0xFFFF_F000
                var isIn = false
                while !isIn {
                    isIn = !shard.isCrowded && shard.insert(tag, position)
                    guard !isIn else { break }
                    let left = shard.grow()
                    #expect(left.isEmpty)
                }
                model[tag, default: []].append(position)
                // Around the sizes at which the slots are put into pieces.
                guard position % 97 == 0 || (400...520).contains(position) else { continue }
                guard model.allSatisfy({ shard.positions($0.key) == $0.value }) else {
                    Issue.record("something is lost among \(position)")
                    return
                }
            }
        }
    }

    @Test("what a larger shard has no place for is handed out")
    func growingUnderCraftedTags() {
        var shard = IdIndexShard(homes: 400)
        // Neighbours in a small shard that all go on sharing one way in a larger one.
        var inserted: [UInt32: UInt32] = [:]
        for position in UInt32(1)...400 where shard.insert(position, position) {
            inserted[position] = position
        }
        let out = shard.grow()
        for (tag, position) in inserted {
            let isOut = out.contains { $0.tag == tag && $0.position == position }
            #expect(isOut != (shard.positions(tag) == [position]))
        }
    }

    @Test("shards of one index grow at different times, and by an eighth")
    func growth() {
        let firsts = (0..<4096).map { number in
            var shard = IdIndexShard(
                homes: IdIndexShard.homes(of: number, among: 4096, expected: 0))
            var count: UInt32 = 0
            while !shard.isCrowded {
                count += 1
                _ = shard.insert(count << 26, count)
            }
            return count
        }
        #expect(Set(firsts).count >= 4)
        #expect(firsts.min().map { $0 >= 28 } == true)
    }

    @Test("a shard takes no memory before something is in it")
    func empty() {
        let shard = shard(expecting: 1_000_000)
        #expect(shard.capacity == 0)
        #expect(shard.firstPosition(1) == nil)
        #expect(shard.positions(1).isEmpty)
        #expect(shard.positionCount(.max) == 0)
    }
}
