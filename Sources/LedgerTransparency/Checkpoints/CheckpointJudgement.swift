package import LedgerCore
package import LedgerStore

/// What the stored checkpoint means for whoever would put the next one (protocol.md 25).
package enum CheckpointJudgement: Equatable, Sendable {
    /// It covers the head, and everybody who is to sign has signed it.
    case upToDate
    /// A checkpoint of the head may take its place, once the head's tree is proved to continue the one of `after`; nil
    /// where there is nothing to continue. One of the head's own size lacks a signature.
    case replaceable(Revision, after: PublishedCheckpoint?)
    /// This ledger's key has signed more events than there are, or other ones.
    case contradiction(OutsideRecord)
    /// It is none, or one that no known key has signed and that this ledger's tree does not continue: somebody else
    /// wrote it.
    case foreign(String)

    /// - Parameters:
    ///   - stored: what the key `checkpoint` holds; nil where it is absent.
    ///   - head: read not earlier than `stored`.
    ///   - keys: of this ledger, old ones too.
    ///   - signers: those of them that are to sign.
    ///   - decision: what an operator has decided about an earlier fence.
    package init(
        _ stored: LedgerStore.StoredCheckpoint?, head: Head, origin: String,
        keys: [NoteVerifier], signers: [NoteVerifier] = [], decision: FenceRecord? = nil
    ) {
        guard let stored else {
            self = .replaceable(.absent, after: nil)
            return
        }
        let published: PublishedCheckpoint
        do throws(FormatError) {
            published = try PublishedCheckpoint(stored)
        } catch {
            self = .foreign("it cannot be read: \(error.message)")
            return
        }
        let checkpoint = published.checkpoint
        guard checkpoint.origin.utf8.elementsEqual(origin.utf8) else {
            self = .foreign("it is of another origin than \(origin)")
            return
        }
        let record = published.record
        if decision?.accepts(record) == true {
            self = .replaceable(stored.revision, after: nil)
            return
        }
        let isOwn = published.isSigned(byOneOf: keys)
        let isOther = checkpoint.size == head.tree.size && checkpoint.root != head.tree.root
        if checkpoint.size > head.tree.size || isOther {
            self =
                isOwn
                ? .contradiction(record)
                : .foreign("no known key has signed it, and it is not of this ledger's tree")
        } else if checkpoint.size == head.tree.size,
            signers.allSatisfy({ published.isSigned(byOneOf: [$0]) })
        {
            self = .upToDate
        } else {
            self = .replaceable(stored.revision, after: published)
        }
    }
}

extension PublishedCheckpoint {
    /// Whether one of the keys has signed it, and none of them is abused in it.
    package func isSigned(byOneOf keys: [NoteVerifier]) -> Bool {
        keys.contains { (try? $0.checkpoint(of: note)) != nil }
    }
}
