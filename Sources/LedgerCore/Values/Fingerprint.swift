import Crypto

/// The first 8 bytes of H("ILID" || event_id), as a big-endian number: what the id index knows of
/// an event id (formats.md, "Keys in etcd"). Different ids can have equal fingerprints.
package struct Fingerprint: Hashable, Sendable {
    /// The length of a stored fingerprint in bytes.
    package static let byteCount = 8

    package let value: UInt64

    package init(value: UInt64) { self.value = value }

    /// The fingerprint of an event id.
    package init(of eventID: EventID) {
        self.init(ofEventID: eventID.utf8[...])
    }

    /// The fingerprint of an event id's bytes.
    package init(ofEventID utf8: ArraySlice<UInt8>) {
        var function = SHA256()
        // "ILID" in memory order, without a heap allocation for four bytes.
        withUnsafeBytes(of: UInt32(0x494C_4944).bigEndian) { function.update(bufferPointer: $0) }
        utf8.withUnsafeBytes { function.update(bufferPointer: $0) }
        value = function.finalize().withUnsafeBytes {
            UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self))
        }
    }

    /// 16 lower-case hex digits.
    package var hex: String {
        withUnsafeBytes(of: value.bigEndian) { Hex.encode($0) }
    }
}
