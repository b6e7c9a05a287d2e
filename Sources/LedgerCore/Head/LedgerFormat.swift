/// The format of a ledger in etcd, as the key `format` names it (formats.md, "Keys in etcd").
///
/// A format is only ever followed by a later one. Every sealing transaction compares it, so that a version which does
/// not know a newer format stops at the moment in which that is put.
package enum LedgerFormat: UInt8, CaseIterable, Comparable, Sendable {
    /// Every event is in etcd. The transaction that seals the first event puts it.
    case one = 1
    /// Old events may be in the archive alone: put together with the first `trimmed` above 0.
    case two = 2

    /// The value of the key.
    package var value: [UInt8] { Array("\(rawValue)".utf8) }

    /// The format with this value; nil for every other one, which a newer version has written.
    package init?(value: [UInt8]) {
        guard let found = Self.allCases.first(where: { $0.value == value }) else { return nil }
        self = found
    }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
