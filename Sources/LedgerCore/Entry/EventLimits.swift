/// The bounds of an event's fields (formats.md, "Entry").
package struct EventLimits: Hashable, Sendable {
    /// The longest entry in bytes, so that a block can hold its length in 16 bits.
    package static let maxEntryBytes = 65_535

    package static let maxSignatureBytes = 1024
    package static let maxMetadataEntries = 32
    package static let metadataKeyBytes = 1...128
    package static let maxMetadataValueBytes = 1024

    /// `LEDGER_MAX_PAYLOAD_BYTES`; entries that were sealed under another setting stay valid.
    package let maxPayloadBytes: Int

    package init(maxPayloadBytes: Int = 49_152) {
        self.maxPayloadBytes = maxPayloadBytes
    }

    /// The bounds of what is already sealed: only the entry's own.
    static let sealed = EventLimits(maxPayloadBytes: maxEntryBytes)
}
