/// Cuts entries into the blocks in which they were sealed.
///
/// Up to the last full ids segment its bitmap says where blocks begin. Where the events behind it were divided is not
/// recorded in an archive: they are divided anew, within the bounds of a block, which no other record contradicts.
package struct BlockCutter: Sendable {
    private var first: SequenceNumber
    private var entries: [ArraySlice<UInt8>] = []
    private var byteCount = 0

    /// - Parameter first: the number of the first entry, which begins a block.
    package init(first: SequenceNumber) {
        self.first = first
    }

    /// Takes the next entry.
    ///
    /// - Parameter startsBlock: whether it is recorded to begin one; nil where nothing is recorded.
    /// - Returns: the block that ends before it.
    package mutating func append(
        _ entry: ArraySlice<UInt8>, startsBlock: Bool?
    ) -> StoredBlock? {
        let isFull =
            entries.count == Block.maxEntries
            || byteCount + entry.count > Block.maxEntryBytes
        let block = startsBlock ?? isFull ? take() : nil
        entries.append(entry)
        byteCount += entry.count
        return block
    }

    /// The block that the last entry ends.
    package mutating func finish() -> StoredBlock? { take() }

    private mutating func take() -> StoredBlock? {
        guard !entries.isEmpty else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount + entries.count * Block.lengthByteCount)
        for entry in entries { Block.append(entry, to: &bytes) }
        let block = StoredBlock(first: first, bytes: bytes)
        first = first.advanced(by: UInt64(entries.count))
        entries.removeAll(keepingCapacity: true)
        byteCount = 0
        return block
    }
}
