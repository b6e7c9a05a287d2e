/// One part of the id index's table: open addressing with linear probing, in the order of the tags.
///
/// A slot holds a tag, 32 bits of the keyed hash, and below it a position, which is a sequence number and so never 0; a
/// slot that is 0 is empty. A tag's way begins at the slot that it has when all tags are spread evenly, and what is on
/// it is sorted: tags ascend along the whole shard, and positions within a tag. So a larger shard is made from the tags
/// alone, in one pass, and a search ends at the first larger tag.
///
/// A way has `longestWay` slots at most. What finds no slot on its way has no place here: whoever owns the shard keeps
/// it elsewhere.
///
/// Slots stand in pieces of 4 KiB, and growing adds pieces: none is ever given back, so that memory is not left in
/// holes, and a copy shares all pieces that were not changed since.
struct IdIndexShard: Sendable {
    /// So many slots are looked at for one tag.
    static let longestWay = 128

    /// Slots of a piece. A shard that needs fewer has one smaller piece.
    private static let pieceSlots = 1 << pieceBits
    private static let pieceBits = 9

    private var pieces: [[UInt64]] = []
    /// The slots at which ways begin; those behind them take what is pushed over the end.
    private var homes: UInt32
    private var count: UInt32 = 0

    /// How many homes a shard has in the beginning that has room for `expected` positions.
    ///
    /// The first numbers of homes lie between 32 and 36 and each growth is by an eighth, so that the shards of an index
    /// grow at evenly spread times instead of all at once.
    static func homes(of number: Int, among shards: Int, expected: Int) -> Int {
        let first = 32 + number * 4 / shards
        guard expected > 0 else { return first }
        // Four standard deviations more than a shard's share: hardly any grows while what was expected comes.
        let spread = Int(4 * Double(expected).squareRoot())
        return max(first, (expected + spread) * 10 / 9 + 1)
    }

    /// An empty shard; it takes no memory before something is put into it.
    init(homes: Int) {
        self.homes = UInt32(homes)
    }

    /// Whether the next insertion should go into a larger shard: nine tenths of the homes are
    /// taken.
    var isCrowded: Bool { UInt64(count) * 10 >= UInt64(homes) * 9 }

    /// Whether growing would leave it reasonably full: tags that were made to share a way must not make it grow on and
    /// on.
    var mayGrow: Bool { count >= homes / 2 }

    /// The slots that there are.
    var capacity: Int {
        pieces.count > 1 ? pieces.count << Self.pieceBits : pieces.first?.count ?? 0
    }

    /// The positions under a tag, ascending.
    func positions(_ tag: UInt32) -> [UInt32] {
        var found: [UInt32] = []
        var slot = firstSlot(of: tag)
        while let position = position(at: slot, tag) {
            found.append(position)
            slot += 1
        }
        return found
    }

    /// The lowest position under a tag; nil where there is none. Allocates nothing.
    func firstPosition(_ tag: UInt32) -> UInt32? {
        position(at: firstSlot(of: tag), tag)
    }

    /// How many positions stand under a tag.
    func positionCount(_ tag: UInt32) -> Int {
        let first = firstSlot(of: tag)
        var slot = first
        while position(at: slot, tag) != nil { slot += 1 }
        return slot - first
    }

    /// Puts a position under a tag, in order.
    ///
    /// - Returns: false where there is no slot on its way, or something else would be pushed off its own; nothing is
    ///   changed then.
    mutating func insert(_ tag: UInt32, _ position: UInt32) -> Bool {
        if pieces.isEmpty { makePieces() }
        let entry = Self.entry(tag, position)
        let home = home(of: entry)
        let capacity = capacity
        let end = min(home + Self.longestWay, capacity)
        var place = home
        while place < end {
            let found = self[place]
            if found == 0 {
                self[place] = entry
                count += 1
                return true
            }
            if found > entry { break }
            place += 1
        }
        if place == end { return false }
        // From here to the next empty slot everything moves by one.
        var empty = place
        while empty < capacity {
            let found = self[empty]
            if found == 0 { break }
            empty += 1
            guard empty < self.home(of: found) + Self.longestWay else { return false }
        }
        if empty == capacity { return false }
        shift(entry, from: place, to: empty)
        count += 1
        return true
    }

    /// Makes the shard larger by an eighth.
    ///
    /// - Returns: tag and position of what has no place any more, which is next to never anything.
    mutating func grow() -> [(tag: UInt32, position: UInt32)] {
        var entries: [UInt64] = []
        entries.reserveCapacity(Int(count))
        for piece in pieces {
            for entry in piece where entry != 0 { entries.append(entry) }
        }
        homes += max(homes / 8, 4)
        makePieces()
        return spread(entries).map { (Self.tag(of: $0), Self.position(of: $0)) }
    }

    // MARK: Slots

    private static func entry(_ tag: UInt32, _ position: UInt32) -> UInt64 {
        UInt64(tag) << 32 | UInt64(position)
    }

    private static func tag(of entry: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: entry >> 32)
    }

    private static func position(of entry: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: entry)
    }

    private func home(of entry: UInt64) -> Int { Self.home(of: entry, among: homes) }

    private static func home(of entry: UInt64, among homes: UInt32) -> Int {
        Int(truncatingIfNeeded: ((entry >> 32) &* UInt64(homes)) >> 32)
    }

    private subscript(slot: Int) -> UInt64 {
        get { pieces[slot >> Self.pieceBits][slot & (Self.pieceSlots - 1)] }
        set { pieces[slot >> Self.pieceBits][slot & (Self.pieceSlots - 1)] = newValue }
    }

    /// The first slot on a tag's way that holds the tag, or where the way ends without.
    private func firstSlot(of tag: UInt32) -> Int {
        let wanted = Self.entry(tag, 0)
        var slot = home(of: wanted)
        let end = min(slot + Self.longestWay, capacity)
        while slot < end {
            let found = self[slot]
            if found == 0 || found > wanted { break }
            slot += 1
        }
        return slot
    }

    private func position(at slot: Int, _ tag: UInt32) -> UInt32? {
        guard slot < capacity else { return nil }
        let found = self[slot]
        return found != 0 && Self.tag(of: found) == tag ? Self.position(of: found) : nil
    }

    /// Puts an entry into a slot and moves what stands there, and behind it, by one, up to an empty slot.
    private mutating func shift(_ entry: UInt64, from place: Int, to empty: Int) {
        var carried = entry
        var slot = place
        while slot <= empty {
            let number = slot >> Self.pieceBits
            let start = number << Self.pieceBits
            let end = min(empty + 1, start + Self.pieceSlots)
            pieces[number].withUnsafeMutableBufferPointer { slots in
                for index in (slot - start)..<(end - start) {
                    swap(&slots[index], &carried)
                }
            }
            slot = end
        }
    }

    /// Adds the pieces that so many homes need.
    private mutating func makePieces() {
        let homes = Int(homes)
        let wanted = homes + min(Self.longestWay, max(8, homes / 8))
        if wanted <= Self.pieceSlots {
            pieces = [Array(repeating: 0, count: wanted)]
            return
        }
        if pieces.count == 1, pieces[0].count < Self.pieceSlots { pieces = [] }
        while pieces.count << Self.pieceBits < wanted {
            pieces.append(Array(repeating: 0, count: Self.pieceSlots))
        }
    }

    /// Puts ascending entries, and nothing else, into the slots.
    ///
    /// - Returns: those that have no place.
    private mutating func spread(_ entries: [UInt64]) -> [UInt64] {
        var left: [UInt64] = []
        var taken = 0
        var free = 0
        let homes = homes
        for number in pieces.indices {
            let start = number << Self.pieceBits
            pieces[number].withUnsafeMutableBufferPointer { slots in
                slots.update(repeating: 0)
                while taken < entries.count {
                    let entry = entries[taken]
                    let home = Self.home(of: entry, among: homes)
                    let slot = max(home, free)
                    if slot >= home + Self.longestWay {
                        left.append(entry)
                    } else if slot - start < slots.count {
                        slots[slot - start] = entry
                        free = slot + 1
                    } else {
                        break
                    }
                    taken += 1
                }
            }
        }
        left += entries[taken...]
        count = UInt32(entries.count - left.count)
        return left
    }
}
