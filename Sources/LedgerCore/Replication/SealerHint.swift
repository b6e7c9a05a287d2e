import TextFormats

/// Who seals, as the key `sealer` says: a hint for speed, never a lock (formats.md, "Keys in etcd").
package struct SealerHint: Hashable, Sendable {
    /// Where the replica's internal port is reached, as `host:port`.
    package let address: String
    /// Names one life of one replica: an address alone may by now belong to somebody else (protocol.md 20).
    package let id: String

    package init(address: String, id: String) {
        self.address = address
        self.id = id
    }

    /// The value of the key.
    package func encodedJSON() -> [UInt8] {
        Array(#"{"address":"\#(address)","id":"\#(id)"}"#.utf8)
    }

    /// Reads the value of the key; other members than the two are an error.
    package init(decodingJSON bytes: [UInt8]) throws(FormatError) {
        var address: String?
        var id: String?
        try JSONReader.members(of: bytes, "the sealer hint") { key, reader throws(JSONFailure) in
            switch key {
            case "address": address = try reader.string()
            case "id": id = try reader.string()
            default: throw reader.unknown
            }
        }
        guard let address, let id else {
            throw FormatError(.wrongFormat, "the sealer hint lacks a key")
        }
        self.init(address: address, id: id)
    }
}

/// The key `sealer` as one answer of etcd showed it.
package struct HintReading: Hashable, Sendable {
    /// Nil where the key is absent, or holds what is no hint.
    package let hint: SealerHint?
    /// `mod_revision` of the key; 0 while it is absent.
    package let revision: Int64
    /// The store's revision when it was read: of two readings the one with the higher is newer.
    package let readAt: Int64
    /// The lease under which the hint stands; 0 where it stands under none.
    package let lease: Int64

    package init(hint: SealerHint?, revision: Int64, readAt: Int64, lease: Int64) {
        self.hint = hint
        self.revision = revision
        self.readAt = readAt
        self.lease = lease
    }

    package var isFree: Bool { revision == 0 }
}
