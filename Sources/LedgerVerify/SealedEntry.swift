package import LedgerCore

/// One sealed event: its canonical bytes, which were found well-formed, and what they say (formats.md, "Entry").
///
/// That an entry is well-formed proves nothing yet: ``ChainVerifier`` and ``EventReceipt`` do.
public struct SealedEntry: Hashable, Sendable {
    /// The longest entry in bytes.
    public static let maxByteCount = EventLimits.maxEntryBytes

    package let view: EntryView

    /// Reads the canonical bytes of one whole entry. Every bound is checked, so that no two byte strings say the same.
    ///
    /// - Throws: `VerificationError` with `malformedEntry`.
    public init(decoding bytes: [UInt8]) throws(VerificationError) {
        try self.init(decoding: bytes[...])
    }

    /// As `init(decoding:)`, without a copy of the bytes.
    public init(decoding bytes: ArraySlice<UInt8>) throws(VerificationError) {
        do throws(FormatError) {
            view = try EntryView(decoding: bytes)
        } catch {
            throw VerificationError(.malformedEntry, error.message)
        }
    }

    /// Builds the canonical bytes from an event's fields.
    ///
    /// - Throws: `VerificationError` with `malformedEntry` where no sealed event has such fields.
    public init(
        sequenceNumber: UInt64, eventID: String, payload: [UInt8], vepsSignature: String,
        vepsTimestamp: Int64, metadata: [String: String], submitter: String,
        sealedTimestamp: Int64, previousHash: LedgerHash
    ) throws(VerificationError) {
        let event: CertifiedEvent
        do throws(InvalidEvent) {
            event = try CertifiedEvent(
                eventID: Array(eventID.utf8), payload: payload,
                vepsSignature: Array(vepsSignature.utf8), vepsTimestamp: vepsTimestamp,
                metadata: metadata.map {
                    MetadataEntry(key: Array($0.key.utf8), value: Array($0.value.utf8))
                },
                submitter: Array(submitter.utf8),
                limits: EventLimits(maxPayloadBytes: EventLimits.maxEntryBytes))
        } catch {
            throw VerificationError(.malformedEntry, error.description)
        }
        let bytes = EntryTemplate(event).bytes(
            sequenceNumber: SequenceNumber(sequenceNumber), sealedTimestamp: sealedTimestamp,
            previousHash: previousHash.digest)
        try self.init(decoding: bytes[...])
    }

    /// The canonical bytes.
    public var bytes: [UInt8] { Array(view.bytes) }

    /// The event's number: 1, 2, 3, ...
    public var sequenceNumber: UInt64 { view.sequenceNumber.rawValue }

    /// The caller's name of the event. Compare it by its `utf8`: `==` follows Unicode equivalence.
    public var eventID: String { String(decoding: view.eventIDBytes, as: UTF8.self) }

    /// The content, as it was submitted.
    public var payload: [UInt8] { Array(view.payload) }

    /// The certifier's signature.
    public var vepsSignature: String { String(decoding: view.vepsSignature, as: UTF8.self) }

    /// When the event was certified, in milliseconds since 1970.
    public var vepsTimestamp: Int64 { view.vepsTimestamp }

    /// The caller's metadata.
    public var metadata: [String: String] {
        var metadata: [String: String] = [:]
        for entry in view.metadata {
            metadata[String(decoding: entry.key, as: UTF8.self)] =
                String(decoding: entry.value, as: UTF8.self)
        }
        return metadata
    }

    /// The authenticated identity of who submitted it; empty where there was none.
    public var submitter: String { String(decoding: view.submitter, as: UTF8.self) }

    /// When it was sealed, in milliseconds since 1970.
    public var sealedTimestamp: Int64 { view.sealedTimestamp }

    /// ``hash`` of the entry before it; zeros for the first.
    public var previousHash: LedgerHash { LedgerHash(view.previousHash) }

    /// SHA-256 of the bytes: the event's `event_hash`.
    public var hash: LedgerHash { LedgerHash(view.eventHash) }

    /// What the Merkle tree holds of it: SHA-256 of a zero byte and the bytes.
    public var leafHash: LedgerHash { LedgerHash(MerkleTree.leafHash(of: view.bytes)) }
}
