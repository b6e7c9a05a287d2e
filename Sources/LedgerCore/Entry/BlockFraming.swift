/// A block's value split at its lengths, as far as that goes.
struct BlockFraming {
    /// The entries before the problem, or all of them.
    private(set) var entries: [ArraySlice<UInt8>] = []

    /// Why splitting stopped before the end; nil for a whole block within its limits.
    private(set) var problem: FormatError?

    init(_ value: [UInt8], maxEntryBytes: Int = Block.maxEntryBytes) {
        var rest = FramedEntries(value)
        var entryBytes = 0
        do throws(FormatError) {
            repeat {
                let entry = try rest.takeEntry()
                entryBytes += entry.count
                guard entries.count < Block.maxEntries, entryBytes <= maxEntryBytes else {
                    throw FormatError(.outOfBounds, "more than a block holds")
                }
                entries.append(entry)
            } while !rest.isAtEnd
        } catch {
            problem = error
        }
    }
}

/// Entries that stand one after another, each behind its length, as blocks and entry bundles have them (formats.md, "Keys
/// in etcd").
package struct FramedEntries: Sequence, IteratorProtocol {
    private var reader: ByteReader

    package init(_ bytes: [UInt8]) { reader = ByteReader(bytes[...]) }

    /// Whether nothing is left: where `next` gives nil before, what is left is no entry.
    package var isAtEnd: Bool { reader.remaining == 0 }

    package mutating func next() -> ArraySlice<UInt8>? { isAtEnd ? nil : try? takeEntry() }

    /// The next entry; where there is none, nothing is taken.
    mutating func takeEntry() throws(FormatError) -> ArraySlice<UInt8> {
        var ahead = reader
        let count = Int(try ahead.uint16("an entry's length"))
        let entry = try ahead.take(count, "an entry")
        reader = ahead
        return entry
    }
}
