package import LedgerCore
package import Logging
package import ObjectStorage
import Synchronization

/// A checkpoint of this ledger that an archive has.
package struct ArchivedNote: Hashable, Sendable {
    package let checkpoint: Checkpoint
    package let note: SignedNote
    /// The object, byte for byte.
    package let bytes: [UInt8]
}

/// Reads the archive's checkpoint, anew each time. It is one more record of what the ledger was: whoever has a store that
/// knows less was set back (protocol.md 12).
package final class ArchivedCheckpoint: Sendable {
    private let objects: any ObjectStore
    private let keys: [NoteVerifier]
    private let logger: Logger
    private let trouble = Mutex<String?>(nil)

    /// - Parameter keys: this ledger's keys, former ones too: one of them must have signed.
    package init(_ objects: any ObjectStore, keys: [NoteVerifier], logger: Logger) {
        self.objects = objects
        self.keys = keys
        self.logger = logger
    }

    /// The checkpoint that is there now; nil where there is none.
    ///
    /// - Throws: `storage`, or `notThisLedgers` for what no key of this ledger has signed.
    package func read() async throws(ArchiveFailure) -> ArchivedNote? {
        let bytes: [UInt8]?
        do throws(ObjectStoreError) {
            bytes = try await objects.read(
                ArchiveNames.checkpoint, maximum: SignedNote.maxByteCount)
        } catch {
            guard error.kind == .tooLarge else { throw .storage(error) }
            throw .notThisLedgers("the archive's checkpoint is longer than a note")
        }
        guard let bytes else { return nil }
        let note: SignedNote
        do throws(FormatError) {
            note = try SignedNote(parsing: bytes)
        } catch {
            throw .notThisLedgers("the archive's checkpoint is no signed note: \(error.message)")
        }
        var reason = "there is no key to check it with"
        for key in keys {
            do throws(ProofError) {
                return ArchivedNote(
                    checkpoint: try key.checkpoint(of: note), note: note, bytes: bytes)
            } catch {
                reason = error.message
            }
        }
        throw .notThisLedgers("the archive's checkpoint is not this ledger's: \(reason)")
    }

    /// What the archive says of this ledger; nothing where it cannot be read, which is logged once.
    package func records() async -> [OutsideRecord] {
        do throws(ArchiveFailure) {
            let archived = try await read()
            note(nil)
            guard let checkpoint = archived?.checkpoint else { return [] }
            return [
                OutsideRecord(
                    source: OutsideRecord.archive, size: checkpoint.size, root: checkpoint.root)
            ]
        } catch {
            note(error)
            return []
        }
    }

    private func note(_ failure: ArchiveFailure?) {
        let before = trouble.withLock { exchange(&$0, with: failure?.code) }
        guard before != failure?.code else { return }
        guard let failure else {
            logger.notice("the archive's checkpoint is read again")
            return
        }
        logger.warning(
            "the archive's checkpoint cannot be read",
            metadata: [
                "archive": "\(objects.location)", "code": "\(failure.code)", "error": "\(failure)",
            ])
    }
}
