internal import LedgerCore

extension SealedEvent {
    /// SHA-256 of the event's canonical bytes as 64 hexadecimal digits, from its fields alone
    /// (formats.md, "Entry"); nil where the fields cannot be those of a sealed
    package var recomputedHash: String? {
        let number = SequenceNumber(sequenceNumber)
        guard number.isLedgerNumber, let previous = Digest(hex: previousHash) else {
            return nil
        }
        let limits = EventLimits(maxPayloadBytes: EventLimits.maxEntryBytes)
        let certified = try? LedgerCore.CertifiedEvent(
            eventID: Array(eventID.utf8),
            payload: payload,
            vepsSignature: Array(vepsSignature.utf8),
            vepsTimestamp: vepsTimestamp,
            metadata: metadata.map {
                MetadataEntry(key: Array($0.key.utf8), value: Array($0.value.utf8))
            },
            submitter: Array(submitter.utf8),
            limits: limits)
        guard let certified else { return nil }
        let entry = EntryTemplate(certified).bytes(
            sequenceNumber: number, sealedTimestamp: sealedTimestamp,
            previousHash: previous)
        return Digest.sha256(entry).hex
    }

    /// Whether ``eventHash`` is the hash of all the other fields, recomputed here. It proves that
    /// the fields are what was sealed as far as the hash itself is trusted.
    public var hasValidHash: Bool {
        recomputedHash == eventHash
    }
}
