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
        var index = IdIndex(seed: 7)
        for number in 1...4096 {
            let digits = String(number)
            let name = "evt-" + String(repeating: "0", count: 8 - digits.count) + digits
            index.append(
                Fingerprint(of: try EventID(validating: Array(name.utf8))),
                startsBlock: (number - 1) % 7 == 0)
        }
        let bytes = try #require(index.segmentBytes(0))
        #expect(bytes.count == vector.length)
        #expect(Digest.sha256(bytes).hex == vector.sha256)
        #expect(Hex.encode(Array(bytes[..<16])) == vector.first16Hex)
        #expect(Hex.encode(Array(bytes[32_768..<32_784])) == vector.bitmapFirst16Hex)
        #expect(LedgerKeys(prefix: "").ids(0) == Array(vector.key.utf8))
        #expect(index.segmentBytes(1) == nil)
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
            #expect(index.fingerprint(of: found) == fingerprint(number))
        }
        for number in 20_001...40_000 {
            #expect(!index.contains(fingerprint(number)))
            #expect(index.candidates(for: fingerprint(number)) == [])
        }
        #expect(index.fingerprint(of: .zero) == nil)
        #expect(index.fingerprint(of: 20_001) == nil)
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

    @Test("100,000 events with one fingerprint are all found, and each costs a bounded search")
    func oneFingerprint() {
        var index = IdIndex(seed: 7)
        for number in 1...100_000 {
            index.append(Fingerprint(value: 5), startsBlock: false)
            // The first one is found on the way; the others stand beside the table.
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
    }

    @Test("what finds no place in the table is found all the same, while the table grows too")
    func crowdedOut() {
        withSeed { generator in
            // A single shard: its ways are long enough to be full now and then.
            var index = IdIndex(seed: generator.next(), shardBits: 0)
            var model: [UInt64: [SequenceNumber]] = [:]
            for number in 1...120_000 {
                let value =
                    number.isMultiple(of: 10)
                    ? UInt64.random(in: 0..<500, using: &generator) : generator.next()
                index.append(Fingerprint(value: value), startsBlock: false)
                model[value, default: []].append(SequenceNumber(UInt64(number)))
            }
            #expect(index.crowdedOut > 500, "no way was ever full")
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
            let known = IdIndexHash.Key(seed: 0)
            let secret = IdIndexHash.Key(seed: generator.next())
            // All in one sixteenth of one of sixteen shards, to whoever knows the seed.
            func way(_ fingerprint: Fingerprint, _ key: IdIndexHash.Key) -> UInt64 {
                let hash = IdIndexHash(fingerprint, key: key, shardBits: 4)
                return UInt64(hash.shard) << 4 | UInt64(hash.place >> 28)
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

    @Test("loaded segments give the same index as appending did")
    func load() throws {
        try withSeed { generator in
            var index = IdIndex(seed: 7)
            var isStart: [Bool] = []
            for number in 1...3 * 4096 + 100 {
                isStart.append(number == 1 || UInt64.random(in: 0..<50, using: &generator) == 0)
                index.append(fingerprint(number), startsBlock: isStart[number - 1])
            }
            var loaded = IdIndex(seed: 99, expectedCount: 3 * 4096)
            for segment in 0..<UInt64(3) {
                let bytes = try #require(index.segmentBytes(segment))
                try loaded.load(segment: bytes, number: segment)
                #expect(loaded.segmentBytes(segment) == bytes)
            }
            #expect(loaded.count == 3 * 4096)
            for number in 1...3 * 4096 {
                let wanted = SequenceNumber(UInt64(number))
                #expect(loaded.firstCandidate(for: fingerprint(number)) == wanted)
                #expect(
                    loaded.blockStart(containing: wanted) == index.blockStart(containing: wanted))
            }
        }
    }

    @Test("segments are loaded whole, in order and at a segment's end only")
    func loadRefused() throws {
        let bytes = [UInt8](repeating: 1, count: IdSegment.byteCount)
        var index = IdIndex(seed: 7)
        #expect(throws: FormatError.self) { try index.load(segment: bytes, number: 1) }
        #expect(throws: FormatError.self) {
            try index.load(segment: Array(bytes.dropLast()), number: 0)
        }
        try index.load(segment: bytes, number: 0)
        #expect(throws: FormatError.self) { try index.load(segment: bytes, number: 0) }
        index.append(fingerprint(1), startsBlock: true)
        #expect(throws: FormatError.self) { try index.load(segment: bytes, number: 1) }
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
        }
        #expect(segment.isFull)
        #expect(segment.bytes == index.segmentBytes(1))
    }
}
