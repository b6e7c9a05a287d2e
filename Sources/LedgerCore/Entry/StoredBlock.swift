/// A block as it was stored: the number in its key, and its value.
package struct StoredBlock: Hashable, Sendable {
    package let first: SequenceNumber
    package let bytes: [UInt8]

    package init(first: SequenceNumber, bytes: [UInt8]) {
        self.first = first
        self.bytes = bytes
    }
}
