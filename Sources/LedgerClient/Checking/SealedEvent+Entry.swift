public import LedgerVerify

extension SealedEvent {
    /// The event's canonical bytes, rebuilt from its fields and checked against ``eventHash``.
    ///
    /// - Throws: `VerificationError` with `malformedEntry` where the fields cannot be those of a sealed event, and
    ///   `wrongHash` where they are not what the hash is of.
    public func entry() throws(VerificationError) -> SealedEntry {
        let entry = try rebuiltEntry()
        let hash = entry.hash.hex
        guard hash == eventHash else {
            throw VerificationError(
                .wrongHash,
                "the fields of event \(sequenceNumber) give the hash \(hash), its event_hash is "
                    + "\(eventHash.prefix(64))")
        }
        return entry
    }

    /// Whether ``eventHash`` is the hash of all the other fields, recomputed here. It proves that
    /// the fields are what was sealed as far as the hash itself is trusted.
    public var hasValidHash: Bool {
        (try? entry()) != nil
    }

    /// SHA-256 of the event's canonical bytes as 64 hexadecimal digits, from its fields alone; nil where the fields
    /// cannot be those of a sealed event.
    package var recomputedHash: String? {
        (try? rebuiltEntry())?.hash.hex
    }

    private func rebuiltEntry() throws(VerificationError) -> SealedEntry {
        guard let previous = LedgerHash(hex: previousHash) else {
            throw VerificationError(
                .malformedEntry,
                "previous_hash of event \(sequenceNumber) is not 64 lower-case hexadecimal digits")
        }
        return try SealedEntry(
            sequenceNumber: sequenceNumber, eventID: eventID, payload: payload,
            vepsSignature: vepsSignature, vepsTimestamp: vepsTimestamp, metadata: metadata,
            submitter: submitter, sealedTimestamp: sealedTimestamp, previousHash: previous)
    }
}

extension SealedEvent {
    /// The event that an entry is, as it is read from the service.
    public init(_ entry: SealedEntry) {
        self.init(
            sequenceNumber: entry.sequenceNumber, eventID: entry.eventID, payload: entry.payload,
            eventHash: entry.hash.hex, previousHash: entry.previousHash.hex,
            sealedTimestamp: entry.sealedTimestamp, vepsSignature: entry.vepsSignature,
            vepsTimestamp: entry.vepsTimestamp, metadata: entry.metadata,
            submitter: entry.submitter)
    }
}
