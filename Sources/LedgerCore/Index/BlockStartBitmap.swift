/// Which of the events 1...count begin a block: one bit an event.
///
/// The bits stand in pages, so that no append waits for all of them to be copied.
struct BlockStartBitmap: Sendable {
    /// 262,144 events, 32 KiB.
    private static let pageWords = 1 << pageBits
    private static let pageBits = 12
    /// A block holds no more events than so many words have bits.
    private static let reach = UInt64(Block.maxEntries)

    private var pages: [[UInt64]] = []
    private(set) var count: UInt64 = 0

    mutating func append(_ startsBlock: Bool) {
        let bit = count % 64
        if bit == 0 { append(word: 0) }
        if startsBlock { pages[pages.count - 1][pages[pages.count - 1].count - 1] |= 1 << bit }
        count += 1
    }

    /// Appends the bits of whole words, the lowest first, to a multiple of 64 events.
    mutating func append(words: some Sequence<UInt64>) {
        precondition(count.isMultiple(of: 64), "whole words follow whole words")
        for word in words {
            append(word: word)
            count += 64
        }
    }

    /// The last beginning of a block at or below a number; nil where there is none within the longest block.
    func last(through number: UInt64) -> UInt64? {
        guard number >= 1, number <= count else { return nil }
        let index = number - 1
        let lowest = index - min(index, Self.reach - 1)
        var place = index / 64
        var bits = word(place) & (.max >> (63 - index % 64))
        while bits == 0 {
            guard place > lowest / 64 else { return nil }
            place -= 1
            bits = word(place)
        }
        let found = place * 64 + UInt64(63 - bits.leadingZeroBitCount)
        return found >= lowest ? found + 1 : nil
    }

    /// The first beginning of a block above a number; nil where there is none within the longest block.
    func first(after number: UInt64) -> UInt64? {
        guard number < count else { return nil }
        let end = min(count, number + Self.reach)
        var place = number / 64
        var bits = word(place) & (.max << (number % 64))
        while bits == 0 {
            place += 1
            guard place * 64 < end else { return nil }
            bits = word(place)
        }
        let found = place * 64 + UInt64(bits.trailingZeroBitCount)
        return found < end ? found + 1 : nil
    }

    private mutating func append(word: UInt64) {
        if pages.last.map({ $0.count == Self.pageWords }) ?? true { pages.append([]) }
        pages[pages.count - 1].append(word)
    }

    private func word(_ place: UInt64) -> UInt64 {
        pages[Int(place >> UInt64(Self.pageBits))][Int(place) & (Self.pageWords - 1)]
    }
}
