/// One sealed event: what its caller certified, and what sealing added (formats.md, "Entry").
package struct Entry: Hashable, Sendable {
    package let sequenceNumber: SequenceNumber

    package let event: CertifiedEvent

    /// Epoch milliseconds; never below the previous event's.
    package let sealedTimestamp: Int64

    /// The event hash of the previous number; zero for number 1.
    package let previousHash: EventHash

    package init(
        sequenceNumber: SequenceNumber, event: CertifiedEvent, sealedTimestamp: Int64,
        previousHash: EventHash
    ) {
        self.sequenceNumber = sequenceNumber
        self.event = event
        self.sealedTimestamp = sealedTimestamp
        self.previousHash = previousHash
    }

    /// Reads the bytes of one whole entry, strictly: encoding it again gives the same bytes.
    package init(decoding bytes: ArraySlice<UInt8>) throws(FormatError) {
        self.init(try EntryView(decoding: bytes))
    }

    /// Copies the parts of a view.
    package init(_ view: EntryView) {
        self.init(
            sequenceNumber: view.sequenceNumber,
            event: CertifiedEvent(
                unchecked: view.eventID,
                payload: Array(view.payload),
                vepsSignature: Array(view.vepsSignature),
                vepsTimestamp: view.vepsTimestamp,
                metadata: view.metadata,
                submitter: Array(view.submitter)),
            sealedTimestamp: view.sealedTimestamp,
            previousHash: view.previousHash)
    }

    /// The canonical bytes.
    package func encoded() -> [UInt8] {
        EntryTemplate(event).bytes(
            sequenceNumber: sequenceNumber, sealedTimestamp: sealedTimestamp,
            previousHash: previousHash)
    }
}
