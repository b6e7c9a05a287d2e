import Testing

@testable import LedgerCore

@Suite("IdIndex")
struct IdIndexTests {
    private func fingerprint(_ number: Int) -> Fingerprint {
        Fingerprint(value: UInt64(number) &* 0x9E37_79B9_7F4A_7C15)
    }

    @Test("the segment of the vectors is byte for byte the same")
    func vector() throws {
        let vector = try Vectors.decode(Vectors.Ids.self, "ids.json")
        var segment = IdSegment(number: 0)
        for number in 1...4096 {
            let digits = String(number)
            let name = "evt-" + String(repeating: "0", count: 8 - digits.count) + digits
            segment.append(
                Fingerprint(of: try EventID(validating: Array(name.utf8))),
                startsBlock: (number - 1) % 7 == 0)
        }
        let bytes = segment.bytes
        #expect(bytes.count == vector.length)
        #expect(Digest.sha256(bytes).hex == vector.sha256)
        #expect(Hex.encode(Array(bytes[..<16])) == vector.first16Hex)
        #expect(Hex.encode(Array(bytes[32_768..<32_784])) == vector.bitmapFirst16Hex)
        #expect(LedgerKeys(prefix: "").ids(0) == Array(vector.key.utf8))
    }

    @Test("every appended fingerprint is found at its number, and no other one is")
    func finds() {
        var index = IdIndex(seed: 7)
        for number in 1...20_000 { index.append(fingerprint(number), startsBlock: true) }
        #expect(index.count == 20_000)
        for number in 1...20_000 {
            let found = SequenceNumber(UInt64(number))
            #expect(index.firstCandidate(for: fingerprint(number)) == found)
            #expect(index.candidates(for: fingerprint(number)) == [found])
        }
        for number in 20_001...40_000 {
            #expect(!index.contains(fingerprint(number)))
            #expect(index.candidates(for: fingerprint(number)) == [])
        }
    }

    @Test("equal fingerprints keep all their numbers, ascending, and agree with a dictionary")
    func collisions() {
        withSeed { generator in
            var index = IdIndex(seed: generator.next())
            var model: [UInt64: [SequenceNumber]] = [:]
            for number in 1...30_000 {
                // Few different values, some of which differ only in their low bits.
                let value = UInt64.random(in: 0..<6000, using: &generator) << 40
                index.append(Fingerprint(value: value), startsBlock: false)
                model[value, default: []].append(SequenceNumber(UInt64(number)))
            }
            for (value, numbers) in model {
                #expect(index.candidates(for: Fingerprint(value: value)) == numbers)
            }
            #expect(!index.contains(Fingerprint(value: 1)))
        }
    }

    @Test("with few tags, so that many are equal, exactly what the tags say is found")
    func falseHits() {
        withSeed { generator in
            // 2,000 of the places that a fingerprint can have, each with many events of different fingerprints.
            let hashing = IdIndexHashing(seed: generator.next(), shardBits: 4)
            var shards = (0..<16).map { _ in IdIndexShard(homes: 32) }
            var model: [IdIndexHash: [UInt32]] = [:]
            for position in UInt32(1)...20_000 {
                let wide = hashing.hash(of: Fingerprint(value: generator.next()))
                let hash = IdIndexHash(shard: wide.shard, tag: wide.tag & 0xFE00_0000)
                if shards[hash.shard].isCrowded {
                    let left = shards[hash.shard].grow()
                    #expect(left.isEmpty)
                }
                guard shards[hash.shard].insert(hash.tag, position) else { continue }
                model[hash, default: []].append(position)
            }
            #expect(model.count > 1_900)
            for (hash, positions) in model {
                #expect(shards[hash.shard].positions(hash.tag) == positions)
                #expect(shards[hash.shard].firstPosition(hash.tag) == positions.first)
                #expect(shards[hash.shard].positionCount(hash.tag) == positions.count)
                #expect(shards[hash.shard].firstPosition(hash.tag + 1) == nil)
            }
        }
    }

    @Test("100,000 events with one fingerprint are all found, and each costs a bounded search")
    func oneFingerprint() {
        var index = IdIndex(seed: 7)
        for number in 1...100_000 {
            index.append(Fingerprint(value: 5), startsBlock: false)
            // The first ones are found on the way; the others stand beside the table.
            if number.isMultiple(of: 20_000) {
                #expect(index.firstCandidate(for: Fingerprint(value: 5)) == 1)
                #expect(index.candidateCount(for: Fingerprint(value: 5)) == number)
            }
        }
        #expect(
            index.candidates(for: Fingerprint(value: 5)) == (1...100_000).map { SequenceNumber($0) }
        )
        #expect(index.crowdedOut == 1)
        #expect(!index.contains(Fingerprint(value: 6)))
        #expect(index.capacity < 2_000, "the table grew for what has no place in it")
    }

    @Test("ids made to share a way, by who knows the seed, are found and let no table grow")
    func crafted() {
        withSeed { generator in
            var index = IdIndex(seed: 0, shardBits: 0)
            var model: [UInt64: [SequenceNumber]] = [:]
            var tags: Set<UInt32> = []
            while index.count < 4_000 {
                let fingerprint = Fingerprint(value: generator.next())
                let tag = index.hashing.hash(of: fingerprint).tag
                // Two with one tag, which of so many there often are, would be found together.
                guard tag >> 24 == 0, tags.insert(tag).inserted else { continue }
                index.append(fingerprint, startsBlock: false)
                model[fingerprint.value, default: []].append(SequenceNumber(index.count))
            }
            #expect(index.crowdedOut > 3_500)
            #expect(index.capacity < 2_000)
            for (value, numbers) in model {
                #expect(index.candidates(for: Fingerprint(value: value)) == numbers)
                #expect(index.firstCandidate(for: Fingerprint(value: value)) == numbers.first)
            }
        }
    }

    @Test("what finds no place in the table is found all the same, while the table grows too")
    func crowdedOut() {
        withSeed { generator in
            // A single shard, and values that come a thousand times: too often for a way.
            var index = IdIndex(seed: generator.next(), shardBits: 0)
            var model: [UInt64: [SequenceNumber]] = [:]
            var tags: [UInt32: UInt64] = [:]
            while index.count < 120_000 {
                let number = index.count + 1
                let value =
                    number.isMultiple(of: 2)
                    ? UInt64.random(in: 0..<60, using: &generator) : generator.next()
                // Two with one tag, which of so many there often are, would be found together.
                let tag = index.hashing.hash(of: Fingerprint(value: value)).tag
                guard tags[tag, default: value] == value else { continue }
                tags[tag] = value
                index.append(Fingerprint(value: value), startsBlock: false)
                model[value, default: []].append(SequenceNumber(UInt64(number)))
            }
            #expect(index.crowdedOut > 50, "no way was ever full")
            for (value, numbers) in model {
                let fingerprint = Fingerprint(value: value)
                guard index.candidates(for: fingerprint) == numbers,
                    index.firstCandidate(for: fingerprint) == numbers.first,
                    index.candidateCount(for: fingerprint) == numbers.count
                else {
                    Issue.record("\(value): \(index.candidates(for: fingerprint)), not \(numbers)")
                    return
                }
            }
        }
    }

    @Test("ids that share a way under one seed do not under another")
    func seeds() {
        withSeed { generator in
            let known = IdIndexHashing(seed: 0, shardBits: 4)
            let secret = IdIndexHashing(seed: generator.next(), shardBits: 4)
            // All in one sixteenth of one of sixteen shards, to whoever knows the seed.
            func way(_ fingerprint: Fingerprint, _ hashing: IdIndexHashing) -> UInt64 {
                let hash = hashing.hash(of: fingerprint)
                return UInt64(hash.shard) << 4 | UInt64(hash.tag >> 28)
            }
            var crafted: [Fingerprint] = []
            while crafted.count < 500 {
                let fingerprint = Fingerprint(value: generator.next())
                if way(fingerprint, known) == 0 { crafted.append(fingerprint) }
            }
            let ways = Dictionary(grouping: crafted) { way($0, secret) }
            #expect(ways.count > 150)
            #expect(ways.values.map(\.count).max() ?? 0 < 20)
        }
    }

    @Test("a copy keeps what it has, whatever is appended to the other one")
    func copies() {
        var index = IdIndex(seed: 7, shardBits: 2)
        for number in 1...6_000 { index.append(fingerprint(number), startsBlock: true) }
        var copy = index
        for number in 6_001...9_000 {
            index.append(fingerprint(number), startsBlock: false)
            copy.append(fingerprint(number + 10_000), startsBlock: true)
        }
        for number in 6_001...9_000 {
            let found = SequenceNumber(UInt64(number))
            #expect(index.candidates(for: fingerprint(number)) == [found])
            #expect(copy.candidates(for: fingerprint(number + 10_000)) == [found])
            #expect(!copy.contains(fingerprint(number)))
            #expect(!index.contains(fingerprint(number + 10_000)))
        }
        #expect(index.blockStart(containing: 7_000) == 6_000)
        #expect(copy.blockStart(containing: 7_000) == 7_000)
    }

    @Test("a table that was made for so many events does not grow while they come")
    func expected() {
        var index = IdIndex(seed: 7, expectedCount: 100_000, shardBits: 4)
        index.append(fingerprint(1), startsBlock: true)
        for number in 2...16 * 64 { index.append(fingerprint(number), startsBlock: true) }
        let capacity = index.capacity
        for number in 16 * 64 + 1...100_000 { index.append(fingerprint(number), startsBlock: true) }
        #expect(index.capacity == capacity)
        #expect(Double(capacity) < 100_000 * 1.25)
    }

    @Test("an index that is full says so, and takes nothing more")
    func full() throws {
        let bytes = [UInt8](repeating: 1, count: IdSegment.byteCount)
        var index = IdIndex(seed: 7, mostEvents: 8_191)
        #expect(index.hasRoom(for: 8_191))
        try index.append(IdIndexBatch(first: 0, segments: [bytes], hashing: index.hashing))
        #expect(!index.hasRoom(for: 4_096))
        let next = try IdIndexBatch(first: 1, segments: [bytes], hashing: index.hashing)
        #expect(throws: IdIndex.isFull) { try index.append(next) }
        #expect(throws: IdIndex.isFull) {
            try IdIndexBatch(
                first: IdIndex.maxCount / 4_096, segments: [bytes], hashing: index.hashing)
        }
        #expect(index.count == 4_096)
    }

    @Test("loaded segments give the same index as appending did")
    func load() throws {
        try withSeed { generator in
            var index = IdIndex(seed: 7)
            var segments = [IdSegment(number: 0)]
            for number in 1...3 * 4096 + 100 {
                let startsBlock = number == 1 || UInt64.random(in: 0..<50, using: &generator) == 0
                index.append(fingerprint(number), startsBlock: startsBlock)
                segments[segments.count - 1].append(fingerprint(number), startsBlock: startsBlock)
                if segments[segments.count - 1].isFull {
                    segments.append(IdSegment(number: UInt64(segments.count)))
                }
            }
            var loaded = IdIndex(seed: 99, expectedCount: 3 * 4096)
            let bytes = segments.prefix(3).map(\.bytes)
            try loaded.append(
                IdIndexBatch(first: 0, segments: [bytes[0]], hashing: loaded.hashing))
            try loaded.append(
                IdIndexBatch(first: 1, segments: [bytes[1], bytes[2]], hashing: loaded.hashing))
            #expect(loaded.count == 3 * 4096)
            for number in 3 * 4096 + 1...3 * 4096 + 100 {
                let start = index.blockStart(containing: SequenceNumber(UInt64(number)))
                loaded.append(
                    fingerprint(number), startsBlock: start == SequenceNumber(UInt64(number)))
            }
            #expect(loaded.openSegment == index.openSegment)
            var digest = SegmentsDigest()
            for segment in bytes { digest.append(SegmentsDigest.ofSegment(segment)) }
            #expect(index.fullSegments == digest)
            #expect(loaded.fullSegments == digest)
            for number in 1...3 * 4096 + 100 {
                let wanted = SequenceNumber(UInt64(number))
                #expect(loaded.candidates(for: fingerprint(number)) == [wanted])
                #expect(
                    loaded.blockStart(containing: wanted) == index.blockStart(containing: wanted))
            }
        }
    }

    @Test("segments are loaded whole, in order and at a segment's end only")
    func loadRefused() throws {
        let bytes = [UInt8](repeating: 1, count: IdSegment.byteCount)
        var index = IdIndex(seed: 7)
        let hashing = index.hashing
        let first = try IdIndexBatch(first: 0, segments: [bytes], hashing: hashing)
        let second = try IdIndexBatch(first: 1, segments: [bytes], hashing: hashing)
        #expect(throws: FormatError.self) { try index.append(second) }
        #expect(throws: FormatError.self) {
            try IdIndexBatch(first: 0, segments: [Array(bytes.dropLast())], hashing: hashing)
        }
        try index.append(first)
        #expect(throws: FormatError.self) { try index.append(first) }
        index.append(fingerprint(1), startsBlock: true)
        #expect(throws: FormatError.self) { try index.append(second) }
        #expect(index.count == 4097)
    }

    @Test("the block of a number is found, across segments too")
    func blocks() {
        withSeed { generator in
            var index = IdIndex(seed: 7)
            var starts: [UInt64] = []
            while index.count < 10_000 {
                starts.append(index.count + 1)
                let size = Int.random(in: 1...1024, using: &generator)
                for offset in 0..<size {
                    index.append(fingerprint(offset), startsBlock: offset == 0)
                }
            }
            let ends = starts.dropFirst().map { $0 - 1 } + [index.count]
            for (start, end) in zip(starts, ends) {
                for number in Set([start, (start + end) / 2, end]) {
                    let number = SequenceNumber(number)
                    #expect(index.blockStart(containing: number) == SequenceNumber(start))
                    #expect(index.blockEnd(containing: number) == SequenceNumber(end))
                }
            }
            #expect(index.blockStart(after: 0) == 1)
            #expect(index.blockStart(containing: .zero) == nil)
            #expect(index.blockStart(containing: SequenceNumber(index.count + 1)) == nil)
            #expect(index.blockStart(containing: SequenceNumber(.max)) == nil)
            #expect(index.blockStart(after: SequenceNumber(.max)) == nil)
            #expect(index.blockEnd(containing: SequenceNumber(.max)) == nil)
        }
    }

    @Test("a bitmap without a beginning within 1,024 numbers gives no block")
    func noBeginning() {
        var index = IdIndex(seed: 7)
        for number in 1...2000 { index.append(fingerprint(number), startsBlock: number == 1) }
        #expect(index.blockStart(containing: 1024) == 1)
        #expect(index.blockStart(containing: 1025) == nil)
    }

    @Test("an open segment continues on its own and becomes the stored bytes")
    func openSegment() {
        var index = IdIndex(seed: 7)
        for number in 1...5000 { index.append(fingerprint(number), startsBlock: number % 5 == 0) }
        var segment = index.openSegment
        #expect(segment.number == 1)
        #expect(segment.first == 4097)
        #expect(segment.count == 904)
        for number in 5001...8192 {
            index.append(fingerprint(number), startsBlock: number % 5 == 0)
            segment.append(fingerprint(number), startsBlock: number % 5 == 0)
            if !segment.isFull { #expect(index.openSegment == segment) }
        }
        #expect(segment.isFull)
        #expect(index.openSegment == IdSegment(number: 2))
    }
}
