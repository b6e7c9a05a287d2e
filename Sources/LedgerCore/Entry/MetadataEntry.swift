/// One key and its value in the metadata of an event, as bytes.
package struct MetadataEntry: Hashable, Sendable {
    /// 1 to 128 bytes of printable ASCII.
    package let key: [UInt8]

    /// 0 to 1,024 bytes of UTF-8.
    package let value: [UInt8]

    package init(key: [UInt8], value: [UInt8]) {
        self.key = key
        self.value = value
    }

    /// The entries ascending by the key's bytes; of entries with equal keys the last one stays, as
    /// in a protobuf map.
    static func canonical(_ entries: [MetadataEntry]) -> [MetadataEntry] {
        guard entries.count > 1 else { return entries }
        // Stable: equal keys stay in the order of arrival.
        let sorted = entries.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var result: [MetadataEntry] = []
        result.reserveCapacity(sorted.count)
        for entry in sorted {
            if result.last?.key == entry.key { result.removeLast() }
            result.append(entry)
        }
        return result
    }
}
