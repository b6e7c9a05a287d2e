import LedgerCore

/// Entries one after another, each behind its length in two bytes: what a tile of entries holds (formats.md, "Tiles over
/// HTTP").
public enum EntryBundle {
    /// The most entries of a bundle.
    public static let maxCount = TileID.width

    /// The longest bundle in bytes.
    public static let maxByteCount = maxCount * (2 + EventLimits.maxEntryBytes)

    /// The entries of a bundle, in their order; each is found well-formed.
    ///
    /// - Throws: `VerificationError` with `malformedEntry`.
    public static func entries(_ bytes: [UInt8]) throws(VerificationError) -> [SealedEntry] {
        var entries: [SealedEntry] = []
        var position = 0
        while position < bytes.count {
            guard entries.count < maxCount, bytes.count - position >= 2 else {
                throw VerificationError(.malformedEntry, "the bundle is no bundle of entries")
            }
            let length = Int(bytes[position]) << 8 | Int(bytes[position + 1])
            position += 2
            guard bytes.count - position >= length else {
                throw VerificationError(
                    .malformedEntry, "the bundle ends within its entry \(entries.count + 1)")
            }
            entries.append(try SealedEntry(decoding: bytes[position..<position + length]))
            position += length
        }
        return entries
    }
}
