import LedgerCore
import Synchronization

/// What is known of the part of the ledger that has left etcd: shared by all variants of a store.
final class TrimmedPast: Sendable {
    private struct Known {
        var trimmed = SequenceNumber.zero
        var location = ""
    }

    /// The bytes of bitmaps that are kept: 512 for each ids segment, so those of 33 million events.
    private static let bitmapBytes = 4 << 20

    private let known = Mutex(Known())
    /// Where blocks begin, of segments that were checked.
    let starts = ReadCache<UInt64, BlockStarts>(maxBytes: bitmapBytes)

    /// Events up to this number may be missing from etcd, as far as was ever seen. It only grows: what has left etcd
    /// once is in the archive for good, and need not be looked for in etcd.
    var trimmed: SequenceNumber { known.withLock { $0.trimmed } }

    /// Where the archive is, as the record with that number said.
    var location: String { known.withLock { $0.location } }

    /// The key `archive` was read.
    func note(_ record: ArchiveRecord) {
        known.withLock { known in
            guard record.trimmed > known.trimmed else { return }
            known = Known(trimmed: record.trimmed, location: record.location)
        }
    }
}

/// Which of the events of one ids segment begin a block: its bitmap.
struct BlockStarts: Sendable {
    /// The length in memory.
    static let byteCount = IdSegment.width / 8

    private let words: [UInt64]

    /// - Returns: nil where the bytes are no segment's.
    init?(segment bytes: [UInt8]) {
        guard bytes.count == IdSegment.byteCount else { return nil }
        let bitmap = bytes[(IdSegment.width * Fingerprint.byteCount)...]
        words = (0..<IdSegment.width / 64).map { word in
            bitmap.dropFirst(word * 8).prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// Whether the event at a position begins a block.
    subscript(position: Int) -> Bool { words[position / 64] >> UInt64(position % 64) & 1 == 1 }
}
