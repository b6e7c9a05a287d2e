package import LedgerCore
package import ObjectStorage

/// Copies an archive, as its checkpoint states it, to another place.
package struct ArchiveCopy: Sendable {
    private let source: any ObjectStore
    private let target: any ObjectStore
    private let keys: [NoteVerifier]

    package init(
        from source: any ObjectStore, to target: any ObjectStore, keys: [NoteVerifier]
    ) {
        self.source = source
        self.target = target
        self.keys = keys
    }

    /// Copies what is not there yet, the checkpoint last, and verifies the copy as a whole.
    ///
    /// What the target has already is left alone: objects never change, and the verification tells where they differ.
    package func run(
        copied: (UInt64, UInt64) -> Void, verified: (UInt64, UInt64) -> Void
    ) async throws(ArchiveFinding) -> VerifiedArchive {
        let note = try await ArchiveVerification(source, keys: keys).checkpoint()
        let size = note.checkpoint.size
        // A larger one there is a newer copy, or the live archive itself.
        if let there = try await checkpoint(of: target), there.checkpoint.size > size {
            throw .wrong(
                ArchiveNames.checkpoint,
                "\(target.location) has \(there.checkpoint.size) events already, and \(source.location) only \(size)"
            )
        }
        let scan = ArchiveScan(objects: source, size: size)
        for number in 0..<scan.chunkCount {
            let wanted = scan.objects(of: number)
            for (object, bytes) in zip(wanted, try await scan.read(wanted)) {
                try await put(object, bytes)
            }
            copied(min(size, (number + 1) * UInt64(IdSegment.width)), size)
        }
        for object in scan.higherTiles { try await put(object, try await scan.read([object])[0]) }
        do throws(ObjectStoreError) {
            try await target.replace(ArchiveNames.checkpoint, with: note.bytes)
        } catch {
            throw .storage(error)
        }
        return try await ArchiveVerification(target, keys: keys).verify {
            verified($0, size)
        }.archive
    }

    private func checkpoint(
        of target: any ObjectStore
    ) async throws(ArchiveFinding) -> ArchivedNote? {
        do throws(ObjectStoreError) {
            guard
                try await target.read(
                    ArchiveNames.checkpoint, maximum: SignedNote.maxByteCount) != nil
            else { return nil }
        } catch {
            throw .storage(error)
        }
        return try await ArchiveVerification(target, keys: keys).checkpoint()
    }

    private func put(_ object: ArchiveObject, _ bytes: [UInt8]) async throws(ArchiveFinding) {
        do throws(ObjectStoreError) {
            _ = try await target.putIfAbsent(object.name, bytes)
        } catch {
            throw .storage(error)
        }
    }
}
