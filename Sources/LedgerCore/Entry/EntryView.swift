/// A sealed entry whose bytes were found well-formed, with its parts left in place.
///
/// Following and verifying look at every entry of the ledger; a view costs them no copy of payload
/// and metadata.
package struct EntryView: Hashable, Sendable {
    /// The entry's canonical bytes.
    package let bytes: ArraySlice<UInt8>

    package let sequenceNumber: SequenceNumber

    /// 1 to 256 bytes of UTF-8.
    package let eventIDBytes: ArraySlice<UInt8>

    package let payload: ArraySlice<UInt8>

    package let vepsSignature: ArraySlice<UInt8>

    /// Epoch milliseconds, as the caller certified it.
    package let vepsTimestamp: Int64

    /// The encoded metadata, from its count on.
    private let metadataBytes: ArraySlice<UInt8>

    package let submitter: ArraySlice<UInt8>

    /// Epoch milliseconds.
    package let sealedTimestamp: Int64

    package let previousHash: EventHash

    /// Reads the bytes of one whole entry; every bound of formats.md, "Entry" is checked, so that
    /// encoding what was decoded gives the same bytes.
    package init(decoding bytes: ArraySlice<UInt8>) throws(FormatError) {
        guard bytes.count <= EventLimits.maxEntryBytes else {
            throw FormatError(.outOfBounds, "an entry of \(bytes.count) bytes")
        }
        var reader = ByteReader(bytes)
        guard try reader.take(4, "the format").elementsEqual(EntryTemplate.magic) else {
            throw FormatError(.wrongFormat, "the entry does not begin with ILE1")
        }
        let number = SequenceNumber(try reader.uint64("sequence_number"))
        guard number.isLedgerNumber else {
            throw FormatError(.outOfBounds, "sequence_number \(number) is not in 1..<2^63")
        }
        let anyLength = 0...EventLimits.maxEntryBytes
        let eventID = try reader.lengthPrefixed(EventID.byteCounts, "event_id")
        try Self.requireUTF8(eventID, "event_id")
        payload = try reader.lengthPrefixed(anyLength, "payload")
        let certification = try reader.lengthPrefixed(anyLength, "certification")
        let hash = try reader.take(Digest.byteCount, "previous_hash")
        try reader.finish("the entry")

        var part = ByteReader(certification)
        vepsSignature = try part.lengthPrefixed(
            0...EventLimits.maxSignatureBytes, "veps_signature")
        try Self.requireUTF8(vepsSignature, "veps_signature")
        vepsTimestamp = try part.int64("veps_timestamp")
        let metadataStart = certification.endIndex - part.remaining
        try Self.checkMetadata(&part)
        metadataBytes = certification[metadataStart..<certification.endIndex - part.remaining]
        submitter = try part.lengthPrefixed(anyLength, "submitter")
        try Self.requireUTF8(submitter, "submitter")
        sealedTimestamp = try part.int64("sealed_timestamp")
        try part.finish("the certification")

        self.bytes = bytes
        sequenceNumber = number
        eventIDBytes = eventID
        previousHash = hash.withUnsafeBytes { Digest(reading: $0) }
    }

    /// As `init(decoding:)`, with the entry's place in errors.
    init(decoding bytes: ArraySlice<UInt8>, at number: SequenceNumber) throws(FormatError) {
        do throws(FormatError) {
            self = try EntryView(decoding: bytes)
        } catch {
            throw FormatError(error.code, error.message, at: number)
        }
    }

    /// The event id.
    package var eventID: EventID { EventID(unchecked: Array(eventIDBytes)) }

    /// The fingerprint of the event id.
    package var fingerprint: Fingerprint { Fingerprint(ofEventID: eventIDBytes) }

    /// The SHA-256 of the entry's bytes.
    package var eventHash: EventHash { Digest.sha256(bytes) }

    /// The metadata, ascending by key.
    package var metadata: [MetadataEntry] {
        var reader = ByteReader(metadataBytes)
        var entries: [MetadataEntry] = []
        // The bytes were checked when the view was made; a short read would end the list.
        guard let count = try? reader.uint32("metadata") else { return [] }
        entries.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let entry = try? Self.metadataEntry(&reader) else { break }
            entries.append(entry)
        }
        return entries
    }

    private static func checkMetadata(_ reader: inout ByteReader) throws(FormatError) {
        let count = try reader.uint32("metadata")
        guard count <= EventLimits.maxMetadataEntries else {
            throw FormatError(.outOfBounds, "\(count) metadata entries")
        }
        var previous: ArraySlice<UInt8>?
        for _ in 0..<count {
            let key = try reader.lengthPrefixed(EventLimits.metadataKeyBytes, "a metadata key")
            guard UTF8Text.isPrintableASCII(key) else {
                throw FormatError(.invalidText, "a metadata key is not printable ASCII")
            }
            if let previous, !previous.lexicographicallyPrecedes(key) {
                throw FormatError(.notCanonical, "metadata keys do not ascend")
            }
            previous = key
            let value = try reader.lengthPrefixed(
                0...EventLimits.maxMetadataValueBytes, "a metadata value")
            try requireUTF8(value, "a metadata value")
        }
    }

    private static func metadataEntry(
        _ reader: inout ByteReader
    ) throws(FormatError) -> MetadataEntry {
        let key = try reader.lengthPrefixed(EventLimits.metadataKeyBytes, "a metadata key")
        let value = try reader.lengthPrefixed(
            0...EventLimits.maxMetadataValueBytes, "a metadata value")
        return MetadataEntry(key: Array(key), value: Array(value))
    }

    private static func requireUTF8(
        _ text: ArraySlice<UInt8>, _ field: StaticString
    ) throws(FormatError) {
        guard UTF8Text.isValid(text) else {
            throw FormatError(.invalidText, "\(field) is not UTF-8")
        }
    }
}
