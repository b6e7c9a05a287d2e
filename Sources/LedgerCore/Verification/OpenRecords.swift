/// What the verifier computed for tiles and a segment that were not full yet at its head: where they have become full,
/// they are compared with this.
///
/// For each level it is what of its last tile was looked at, so at most 255 hashes, and of the segment at most 4,095
/// fingerprints.
struct OpenRecords: Sendable {
    /// Consecutive things, of which the first has this place.
    struct Run<Element: Sendable>: Sendable {
        private(set) var start: UInt64 = 0
        private(set) var elements: [Element] = []

        /// Appends the next; what does not follow, or begins a record, begins anew.
        mutating func append(_ element: Element, at place: UInt64, width: Int) {
            let follows = place == start + UInt64(elements.count)
            if !follows || place.isMultiple(of: UInt64(width)) {
                start = place
                elements.removeAll(keepingCapacity: true)
            }
            elements.append(element)
        }

        /// What belongs to a record, with its places, and is not needed any more.
        mutating func take(record: UInt64, width: Int) -> [(place: UInt64, element: Element)] {
            guard start / UInt64(width) == record else { return [] }
            defer { elements.removeAll(keepingCapacity: true) }
            return elements.enumerated().map { (start + UInt64($0.offset), $0.element) }
        }
    }

    private var levels: [Run<Digest>] = []
    private var fingerprints = Run<(fingerprint: Fingerprint, startsBlock: Bool)>()

    mutating func append(_ hash: Digest, level: Int, at place: UInt64) {
        while levels.count <= level { levels.append(Run()) }
        levels[level].append(hash, at: place, width: TileID.width)
    }

    mutating func append(_ fingerprint: Fingerprint, startsBlock: Bool, at place: UInt64) {
        fingerprints.append((fingerprint, startsBlock), at: place, width: IdSegment.width)
    }

    mutating func take(tile id: TileID) -> [(place: UInt64, element: Digest)] {
        guard levels.indices.contains(id.level) else { return [] }
        return levels[id.level].take(record: id.index, width: TileID.width)
    }

    mutating func take(
        segment number: UInt64
    ) -> [(place: UInt64, element: (fingerprint: Fingerprint, startsBlock: Bool))] {
        fingerprints.take(record: number, width: IdSegment.width)
    }
}
