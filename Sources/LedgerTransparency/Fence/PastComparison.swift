package import LedgerCore

/// Compares a ledger with what others have seen of it.
package struct PastComparison: Sendable {
    /// What others have seen, without what an operator has given up.
    package let records: [OutsideRecord]

    /// - Parameter decision: what an operator has decided about an earlier fence: what was accepted then is no
    ///   contradiction now, and what the ledger had then it must have still.
    package init(_ records: [OutsideRecord], decision: FenceRecord?) {
        self.records =
            records.filter { decision?.accepts($0) != true }
            + [decision?.acceptedRecord].compactMap { $0 }
    }

    /// What contradicts the ledger with this head. A record whose root cannot be compared now is left out: another
    /// comparison follows.
    ///
    /// - Parameter root: of the tree with so many leaves, fewer than the head's; nil where it cannot be read.
    package func contradictions(
        of head: Head, root: (UInt64) async -> Digest?
    ) async -> [OutsideRecord] {
        var found: [OutsideRecord] = []
        for record in records {
            if record.isContradicted || record.size > head.tree.size {
                found.append(record)
            } else if let expected = record.root, record.size > 0 {
                let actual =
                    record.size == head.tree.size ? head.tree.root : await root(record.size)
                if let actual, actual != expected { found.append(record) }
            }
        }
        return found
    }
}
