import LedgerCore

/// Stored blocks whose chain is sound.
enum ReadableBlock {
    static func make(first: UInt64, ids: [String]) -> [UInt8] {
        var value: [UInt8] = []
        var previous = EventHash.zero
        for (offset, id) in ids.enumerated() {
            let entry = Entry(
                sequenceNumber: SequenceNumber(rawValue: first + UInt64(offset)),
                event: event(id), sealedTimestamp: 1_700_000_000_000, previousHash: previous
            ).encoded()
            Block.append(entry, to: &value)
            previous = .sha256(entry)
        }
        return value
    }

    private static func event(_ id: String) -> CertifiedEvent {
        do {
            return try CertifiedEvent(
                eventID: Array(id.utf8), payload: [], vepsSignature: [], vepsTimestamp: 0,
                metadata: [], submitter: [], limits: EventLimits())
        } catch {
            preconditionFailure("an id that no event may have: \(error)")
        }
    }
}
