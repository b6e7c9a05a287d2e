internal import LedgerCore

/// Recomputes what an event's hash must be.
package enum EventHash {
    /// SHA-256 of the event's canonical bytes as 64 hexadecimal digits, from its fields alone
    /// (FORMATS, "Entry"); nil where the fields cannot be those of a sealed event.
    package static func compute(_ event: SealedEvent) -> String? {
        let number = SequenceNumber(event.sequenceNumber)
        guard number.isLedgerNumber, let previous = Digest(hex: event.previousHash) else {
            return nil
        }
        let limits = EventLimits(maxPayloadBytes: EventLimits.maxEntryBytes)
        let certified = try? LedgerCore.CertifiedEvent(
            eventID: Array(event.eventID.utf8),
            payload: event.payload,
            vepsSignature: Array(event.vepsSignature.utf8),
            vepsTimestamp: event.vepsTimestamp,
            metadata: event.metadata.map {
                MetadataEntry(key: Array($0.key.utf8), value: Array($0.value.utf8))
            },
            submitter: Array(event.submitter.utf8),
            limits: limits)
        guard let certified else { return nil }
        let entry = EntryTemplate(certified).bytes(
            sequenceNumber: number, sealedTimestamp: event.sealedTimestamp,
            previousHash: previous)
        return Digest.sha256(entry).hex
    }
}

extension SealedEvent {
    /// Whether ``eventHash`` is the hash of all the other fields, recomputed here. It proves that
    /// the fields are what was sealed as far as the hash itself is trusted.
    public var hasValidHash: Bool {
        EventHash.compute(self) == eventHash
    }
}
