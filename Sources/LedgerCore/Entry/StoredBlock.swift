/// A block as it was stored: the number in its key, and its value.
package struct StoredBlock: Hashable, Sendable {
    package let first: SequenceNumber
    package let bytes: [UInt8]

    package init(first: SequenceNumber, bytes: [UInt8]) {
        self.first = first
        self.bytes = bytes
    }

    /// The number after its last event; nil where its framing is damaged.
    package var next: SequenceNumber? {
        var offset = 0
        var count: UInt64 = 0
        while offset + Block.lengthByteCount <= bytes.count {
            offset += Block.lengthByteCount + Int(bytes[offset]) << 8 + Int(bytes[offset + 1])
            count += 1
        }
        return offset == bytes.count && count > 0 ? first.advanced(by: count) : nil
    }
}
