/// Full ids segments, decoded and hashed for one id index, so that appending them costs as little as it can.
///
/// Making one needs nothing of the index but its secret: several are made at a time, elsewhere than where they are
/// appended. The events are in the order of their shards: a shard that is in the processor's cache takes all of its own.
package struct IdIndexBatch: Sendable {
    /// The number of the first segment.
    package let first: UInt64
    /// The digest of each segment's stored bytes.
    package let digests: [Digest]

    /// The segments' bitmaps.
    let starts: [UInt64]
    /// Tags and positions, by shard.
    let entries: [UInt64]
    /// Where each shard's entries end.
    let ends: [Int]
    let hashing: IdIndexHashing

    /// - Parameters:
    ///   - first: the number of the first segment.
    ///   - segments: the values of `ids/<first>` and the following ones: 33,280 bytes each.
    ///   - hashing: of the index to which they will be appended.
    /// - Throws: `FormatError` where a segment has another length, or lies beyond what an index can hold.
    package init(
        first: UInt64, segments: [[UInt8]], hashing: IdIndexHashing
    ) throws(FormatError) {
        let width = IdSegment.width
        guard first < IdIndex.maxCount,
            first + UInt64(segments.count) <= IdIndex.maxCount / UInt64(width)
        else { throw IdIndex.isFull }
        self.first = first
        digests = segments.map { SegmentsDigest.ofSegment($0) }
        self.hashing = hashing
        var mixed: [UInt64] = []
        mixed.reserveCapacity(segments.count * width)
        var starts: [UInt64] = []
        starts.reserveCapacity(segments.count * width / 64)
        var counts = [Int](repeating: 0, count: hashing.shardCount)
        for (offset, segment) in segments.enumerated() {
            guard segment.count == IdSegment.byteCount else {
                throw IdSegment.wrongLength(segment.count, number: first + UInt64(offset))
            }
            segment.withUnsafeBytes { bytes in
                for position in 0..<width {
                    let value = bytes.loadUnaligned(fromByteOffset: position * 8, as: UInt64.self)
                    let hash = hashing.mix(UInt64(bigEndian: value))
                    counts[hashing.shard(of: hash)] += 1
                    mixed.append(hash)
                }
                for word in 0..<width / 64 {
                    let value = bytes.loadUnaligned(
                        fromByteOffset: (width + word) * 8, as: UInt64.self)
                    starts.append(UInt64(littleEndian: value))
                }
            }
        }
        self.starts = starts
        var next = 0
        for shard in counts.indices {
            next += counts[shard]
            counts[shard] = next - counts[shard]
        }
        let base = first * UInt64(width) + 1
        entries = Array(unsafeUninitializedCapacity: mixed.count) { entries, count in
            for (offset, hash) in mixed.enumerated() {
                let shard = hashing.shard(of: hash)
                entries[counts[shard]] =
                    UInt64(hashing.tag(of: hash)) << 32 | (base + UInt64(offset))
                counts[shard] += 1
            }
            count = mixed.count
        }
        ends = counts
    }
}
