/// The `mod_revision` of `sequence_counter`: 0 while the ledger is empty.
package struct Revision: Hashable, Comparable, Sendable {
    package var rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package static let absent = Self(rawValue: 0)

    package static func < (left: Self, right: Self) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Counter, head and format as one answer of etcd showed them (protocol.md 9).
///
/// Whoever makes one has checked that the two agree: two reads could give an old head with a new revision.
package struct LedgerObservation: Hashable, Sendable {
    package let revision: Revision
    package let head: Head
    /// The stored bytes of `head`, which the next transaction compares; empty while the ledger is empty.
    package let headBytes: [UInt8]
    /// The ledger's format, which the next transaction compares; while the ledger is empty, the one that is put with the
    /// first event.
    package let format: LedgerFormat

    package init(
        revision: Revision, head: Head, headBytes: [UInt8], format: LedgerFormat = .one
    ) {
        self.revision = revision
        self.head = head
        self.headBytes = headBytes
        self.format = format
    }

    /// An empty ledger.
    package static let empty = Self(revision: .absent, head: .empty, headBytes: [])
}
