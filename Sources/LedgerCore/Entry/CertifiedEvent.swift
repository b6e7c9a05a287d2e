/// An event as its caller certified it, with all fields inside their bounds (formats.md, "Entry").
package struct CertifiedEvent: Hashable, Sendable {
    package let eventID: EventID

    package let payload: [UInt8]

    /// UTF-8; what it must be otherwise is the business of `VEPSVerifier`.
    package let vepsSignature: [UInt8]

    /// Epoch milliseconds, as the caller certified it.
    package let vepsTimestamp: Int64

    /// Ascending by the key's bytes, without equal keys.
    package let metadata: [MetadataEntry]

    /// The authenticated identity of the caller, as UTF-8; empty where there is none.
    package let submitter: [UInt8]

    /// Takes the fields of a submission as the bytes that arrived.
    ///
    /// Metadata may come in any order and with equal keys, of which the last one counts. The error
    /// names every field that is out of bounds.
    package init(
        eventID: [UInt8],
        payload: [UInt8],
        vepsSignature: [UInt8],
        vepsTimestamp: Int64,
        metadata: [MetadataEntry],
        submitter: [UInt8],
        limits: EventLimits
    ) throws(InvalidEvent) {
        let metadata = MetadataEntry.canonical(metadata)
        var check = EventCheck()
        let validID = check.eventID(eventID)
        check.payload(payload, limits: limits)
        check.signature(vepsSignature)
        check.metadata(metadata)
        check.submitter(submitter)
        guard let validID, check.violations.isEmpty else {
            throw InvalidEvent(violations: check.violations)
        }
        self.init(
            unchecked: validID, payload: payload, vepsSignature: vepsSignature,
            vepsTimestamp: vepsTimestamp, metadata: metadata, submitter: submitter)
        guard entryByteCount <= EventLimits.maxEntryBytes else {
            check.entryTooLong(entryByteCount)
            throw InvalidEvent(violations: check.violations)
        }
    }

    /// Takes fields that were checked already, for example by decoding an entry.
    init(
        unchecked eventID: EventID, payload: [UInt8], vepsSignature: [UInt8],
        vepsTimestamp: Int64, metadata: [MetadataEntry], submitter: [UInt8]
    ) {
        self.eventID = eventID
        self.payload = payload
        self.vepsSignature = vepsSignature
        self.vepsTimestamp = vepsTimestamp
        self.metadata = metadata
        self.submitter = submitter
    }

    /// The bytes that a VEPS signature covers (formats.md, "What VEPS signs").
    package var signedBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24 + eventID.utf8.count + payload.count + metadataByteCount)
        bytes.append(contentsOf: "ILV1".utf8)
        bytes.appendLengthPrefixed(eventID.utf8)
        bytes.appendLengthPrefixed(payload)
        bytes.appendBigEndian(vepsTimestamp)
        appendMetadata(to: &bytes)
        return bytes
    }
}

extension CertifiedEvent {
    /// The length of `u32be(n) || n x ( lv(key) || lv(value) )`.
    var metadataByteCount: Int {
        metadata.reduce(4) { $0 + 8 + $1.key.count + $1.value.count }
    }

    /// The length of `certification` without its own length prefix.
    var certificationByteCount: Int {
        4 + vepsSignature.count + 8 + metadataByteCount + 4 + submitter.count + 8
    }

    /// The length of the entry that this event becomes, in bytes.
    package var entryByteCount: Int {
        4 + 8 + 4 + eventID.utf8.count + 4 + payload.count + 4 + certificationByteCount
            + Digest.byteCount
    }

    func appendMetadata(to bytes: inout [UInt8]) {
        bytes.appendBigEndian(UInt32(metadata.count))
        for entry in metadata {
            bytes.appendLengthPrefixed(entry.key)
            bytes.appendLengthPrefixed(entry.value)
        }
    }
}
