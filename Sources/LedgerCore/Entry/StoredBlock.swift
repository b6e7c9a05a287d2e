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
        var entries = FramedEntries(bytes)
        var count: UInt64 = 0
        while entries.next() != nil { count += 1 }
        return entries.isAtEnd && count > 0 ? first.advanced(by: count) : nil
    }
}
