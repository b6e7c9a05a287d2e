package import LedgerCore
package import LedgerStore

/// A checkpoint as the key `checkpoint` holds it.
package struct PublishedCheckpoint: Hashable, Sendable {
    package let checkpoint: Checkpoint
    package let note: SignedNote
    /// The note, byte for byte.
    package let bytes: [UInt8]
    /// Where it was put.
    package let revision: Revision

    /// - Throws: where the bytes are no note with a checkpoint; whose signatures it has is not looked at.
    package init(_ stored: LedgerStore.StoredCheckpoint) throws(FormatError) {
        note = try SignedNote(parsing: stored.bytes)
        checkpoint = try Checkpoint(parsing: note.text)
        bytes = stored.bytes
        revision = stored.revision
    }
}
