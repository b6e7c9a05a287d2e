/// A block's value split at its lengths, as far as that goes.
struct BlockFraming {
    /// The entries before the problem, or all of them.
    private(set) var entries: [ArraySlice<UInt8>] = []

    /// Why splitting stopped before the end; nil for a whole block within its limits.
    private(set) var problem: FormatError?

    init(_ value: [UInt8], maxEntryBytes: Int = Block.maxEntryBytes) {
        var reader = ByteReader(value[...])
        var entryBytes = 0
        do throws(FormatError) {
            repeat {
                let count = Int(try reader.uint16("an entry's length"))
                let entry = try reader.take(count, "an entry")
                entryBytes += count
                guard entries.count < Block.maxEntries, entryBytes <= maxEntryBytes else {
                    throw FormatError(.outOfBounds, "more than a block holds")
                }
                entries.append(entry)
            } while reader.remaining > 0
        } catch {
            problem = error
        }
    }
}
