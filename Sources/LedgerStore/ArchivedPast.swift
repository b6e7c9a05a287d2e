package import LedgerCore

/// The part of the ledger that has left etcd: whole objects of the archive (formats.md, "Archive").
///
/// `LedgerStore` turns to it for what the key `archive`, read after a miss, says may be missing (protocol.md 26). Only
/// full bundles, tiles and segments are asked for: nothing else is ever trimmed.
package protocol ArchivedPast: Sendable {
    /// The stored bytes of a full entry bundle: the events 256 * index + 1 to 256 * index + 256.
    func bundle(_ index: UInt64, _ trust: ArchiveTrust) async throws(LedgerStoreError) -> [UInt8]

    /// The stored bytes of a full tile. Who reads tiles checks them against the tree in any case.
    func tile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8]

    /// The stored bytes of a full ids segment, `checked` against what the ledger had where that is known.
    func segment(_ number: UInt64, _ trust: ArchiveTrust) async throws(LedgerStoreError) -> [UInt8]

    /// Whether a segment that is read now as `checked` is compared with what the ledger had. Before a replica has loaded
    /// the ids it is not: such an answer must not be kept.
    func knows(segment number: UInt64) -> Bool
}

extension ArchivedPast {
    package func knows(segment number: UInt64) -> Bool { true }
}

/// What is known of what the archive answers.
package enum ArchiveTrust: Hashable, Sendable {
    /// It was compared with hashes that this replica knows; what does not agree is never returned.
    case checked
    /// It is returned as it is, for a reader that verifies it: the audit, `VerifyEvents`, loading.
    case asStored
}

/// Why the archive did not answer with what is wanted. None of it says anything against the ledger in etcd.
package enum ArchiveTrouble: Error, Hashable, Sendable, CustomStringConvertible {
    /// Events have left etcd, and this replica is told of no archive.
    case notConfigured(location: String)
    /// The object storage did not answer, or refused.
    case unavailable(String)
    /// What it answered is not what is known of the ledger: nothing of it is used.
    case contradicts(String)

    package var description: String {
        switch self {
        case .notConfigured(let location):
            "old events are in the archive \(location): set LEDGER_ARCHIVE to it"
        case .unavailable(let why): "the archive cannot be read: \(why)"
        case .contradicts(let what): "the archive's \(what) is not the ledger's"
        }
    }
}
