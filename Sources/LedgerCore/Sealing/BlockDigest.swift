/// What following the ledger needs of one stored block: its chain, checked within itself, and per event the
/// hashes and the fingerprint. Made outside the state machine, for hashing a block takes milliseconds.
package struct BlockDigest: Sendable {
    package let first: SequenceNumber
    /// `previous_hash` of the block's first event.
    package let previousHash: EventHash
    package let leaves: [Digest]
    package let fingerprints: [Fingerprint]
    package let lastEventHash: EventHash
    package let firstTimestamp: Int64
    package let lastTimestamp: Int64
    /// The number of the block's last event.
    package var last: SequenceNumber {
        SequenceNumber(rawValue: first.rawValue + UInt64(leaves.count) - 1)
    }

    /// Decodes and hashes a stored block.
    ///
    /// - Throws: `FormatError` when the bytes are no block, or an event in it does not follow the one before.
    package init(first: SequenceNumber, bytes: [UInt8]) throws(FormatError) {
        try self.init(first: first, events: Block.decodeChain(bytes, first: first))
    }

    /// Of events that are linked to each other, as `Block.decodeChain` gives them.
    package init(first: SequenceNumber, events: [Block.Link]) throws(FormatError) {
        guard let firstEvent = events.first, let lastEvent = events.last else {
            throw FormatError(.truncated, "a block without events")
        }
        self.first = first
        previousHash = firstEvent.entry.previousHash
        firstTimestamp = firstEvent.entry.sealedTimestamp
        lastTimestamp = lastEvent.entry.sealedTimestamp
        lastEventHash = lastEvent.eventHash
        leaves = events.map(\.leafHash)
        fingerprints = events.map { $0.entry.fingerprint }
    }
}
