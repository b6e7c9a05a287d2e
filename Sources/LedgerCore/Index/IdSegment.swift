/// The part of the id index that one `ids/<n>` key holds: 4,096 fingerprints, and which numbers
/// begin a block (formats.md, "Keys in etcd").
package struct IdSegment: Hashable, Sendable {
    /// The number of events of a full segment.
    package static let width = 4096

    /// The length of a full segment in bytes: the fingerprints and a bitmap.
    package static let byteCount = width * Fingerprint.byteCount + bitmapByteCount

    static let bitmapByteCount = width / 8
    private static let bitmapWords = width / 64

    /// The segment n covers the sequence numbers n*4096+1...(n+1)*4096.
    package let number: UInt64

    /// The number of events so far.
    package private(set) var count = 0

    // The bitmap comes first, so that the array never has to be longer than what was appended.
    private var words: [UInt64]

    /// A segment without events.
    package init(number: UInt64) {
        self.number = number
        words = []
        words.reserveCapacity(Self.bitmapWords + Self.width)
        words.append(contentsOf: repeatElement(0, count: Self.bitmapWords))
    }

    /// Reads a stored segment, which is always full.
    package init(number: UInt64, decoding value: [UInt8]) throws(FormatError) {
        guard value.count == Self.byteCount else {
            throw Self.wrongLength(value.count, number: number)
        }
        self.number = number
        count = Self.width
        words = Array(unsafeUninitializedCapacity: Self.bitmapWords + Self.width) { words, count in
            value.withUnsafeBytes { bytes in
                for word in 0..<Self.bitmapWords {
                    let offset = Self.width * Fingerprint.byteCount + word * 8
                    words[word] = UInt64(
                        littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                }
                for position in 0..<Self.width {
                    words[Self.bitmapWords + position] = UInt64(
                        bigEndian: bytes.loadUnaligned(
                            fromByteOffset: position * 8, as: UInt64.self))
                }
            }
            count = Self.bitmapWords + Self.width
        }
    }

    package var isFull: Bool { count == Self.width }

    /// The number of the first event that the segment covers.
    package var first: SequenceNumber { SequenceNumber(number * UInt64(Self.width) + 1) }

    /// Appends the next event to a segment that is not full.
    package mutating func append(_ fingerprint: Fingerprint, startsBlock: Bool) {
        precondition(!isFull, "a full ids segment")
        words.append(fingerprint.value)
        if startsBlock { words[count / 64] |= 1 << UInt64(count % 64) }
        count += 1
    }

    /// The fingerprint at a position below `count`.
    package func fingerprint(at position: Int) -> Fingerprint {
        Fingerprint(value: words[Self.bitmapWords + position])
    }

    /// Whether the event at a position is the first of its block.
    package func startsBlock(at position: Int) -> Bool {
        words[position / 64] >> UInt64(position % 64) & 1 == 1
    }

    /// The value of `ids/<n>` of a full segment: 33,280 bytes.
    package var bytes: [UInt8] {
        precondition(isFull, "an ids segment is stored when it is full")
        return [UInt8](unsafeUninitializedCapacity: Self.byteCount) { bytes, count in
            let raw = UnsafeMutableRawBufferPointer(bytes)
            for position in 0..<Self.width {
                raw.storeBytes(
                    of: words[Self.bitmapWords + position].bigEndian, toByteOffset: position * 8,
                    as: UInt64.self)
            }
            for word in 0..<Self.bitmapWords {
                raw.storeBytes(
                    of: words[word].littleEndian,
                    toByteOffset: Self.width * Fingerprint.byteCount + word * 8, as: UInt64.self)
            }
            count = Self.byteCount
        }
    }

    /// What is thrown where a stored segment has not the bytes of a full one.
    static func wrongLength(_ count: Int, number: UInt64) -> FormatError {
        FormatError(
            .outOfBounds, "ids segment \(number) has \(count) bytes instead of \(byteCount)")
    }
}
