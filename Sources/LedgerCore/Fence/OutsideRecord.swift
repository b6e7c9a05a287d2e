/// What somebody who is not the store has seen of this ledger: that it had so many events, and where that is known,
/// the root of their tree.
package struct OutsideRecord: Hashable, Sendable {
    /// Who has seen it, for people: `witness NAME`, a file, this replica. At most `maxSourceBytes` are kept.
    package let source: String

    /// The sequence number of the last event that was seen.
    package let size: UInt64

    /// The root of the tree over the events 1...size; nil where only the number is known.
    package let root: Digest?

    /// Whether who has seen it has already found this ledger's past to be another one.
    package let isContradicted: Bool

    package init(
        source: String, size: UInt64, root: Digest? = nil, isContradicted: Bool = false
    ) {
        self.source = source
        self.size = size
        self.root = root
        self.isContradicted = isContradicted
    }

    package static let maxSourceBytes = 256

    /// The source of what the key `checkpoint` says.
    package static let storedCheckpoint = "the signed checkpoint in etcd"

    /// The source of what the archive's checkpoint says.
    package static let archive = "the archive"

    /// Whether an operator who accepted the loss of this record has accepted that of the other one too.
    func covers(_ other: OutsideRecord) -> Bool {
        source == other.source && size == other.size && (root == nil || root == other.root)
    }
}
