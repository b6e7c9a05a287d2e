/// A certified event encoded as its entry, with holes for what only sealing knows (formats.md,
/// "Entry").
///
/// The costly part of encoding is done once, at admission; a batch that must be built again after a
/// lost race only fills the holes again.
package struct EntryTemplate: Hashable, Sendable {
    static let magic = Array("ILE1".utf8)
    static let numberOffset = 4
    static let timestampFromEnd = 8 + Digest.byteCount

    private let entry: [UInt8]

    /// Encodes the event; its bounds guarantee that the entry is not too long.
    package init(_ event: CertifiedEvent) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(event.entryByteCount)
        bytes.append(contentsOf: Self.magic)
        bytes.appendBigEndian(SequenceNumber.first.rawValue)
        bytes.appendLengthPrefixed(event.eventID.utf8)
        bytes.appendLengthPrefixed(event.payload)
        bytes.appendBigEndian(UInt32(event.certificationByteCount))
        bytes.appendLengthPrefixed(event.vepsSignature)
        bytes.appendBigEndian(event.vepsTimestamp)
        event.appendMetadata(to: &bytes)
        bytes.appendLengthPrefixed(event.submitter)
        bytes.appendBigEndian(Int64(0))
        Digest.zero.append(to: &bytes)
        entry = bytes
    }

    /// Takes an entry that was found well-formed: only the holes of its bytes are ever filled anew.
    package init(_ view: EntryView) {
        entry = Array(view.bytes)
    }

    /// The entry's bytes before it is sealed: well-formed, with any number, time and hash in the holes.
    package var unsealed: [UInt8] { entry }

    /// The length of the entry in bytes: at most 65,535.
    package var byteCount: Int { entry.count }

    /// The entry's canonical bytes.
    package func bytes(
        sequenceNumber: SequenceNumber, sealedTimestamp: Int64, previousHash: EventHash
    ) -> [UInt8] {
        var bytes = entry
        bytes.withUnsafeMutableBytes {
            Self.fill($0, sequenceNumber, sealedTimestamp, previousHash)
        }
        return bytes
    }

    private static func fill(
        _ entry: UnsafeMutableRawBufferPointer, _ number: SequenceNumber, _ timestamp: Int64,
        _ previousHash: EventHash
    ) {
        let end = entry.count
        entry.storeBytes(
            of: number.rawValue.bigEndian, toByteOffset: numberOffset, as: UInt64.self)
        entry.storeBytes(
            of: timestamp.bigEndian, toByteOffset: end - timestampFromEnd, as: Int64.self)
        previousHash.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: entry[(end - Digest.byteCount)...])
                .copyMemory(from: $0)
        }
    }
}
