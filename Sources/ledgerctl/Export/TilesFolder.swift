internal import LedgerVerify

/// Reads a C2SP tlog-tiles folder from its first entry on, checking everything that is there.
struct TilesFolder {
    /// The name of the note.
    static let checkpointName = "checkpoint"

    /// Reads a file of the folder, up to a number of bytes; nil where there is none.
    let read: (String, Int) throws -> [UInt8]?

    /// The folder at a path, which is only read.
    static func at(_ path: String) -> TilesFolder {
        TilesFolder { name, limit in try InputFile.readOwn("\(path)/\(name)", limit: limit) }
    }

    /// The checkpoint; nil where there is none.
    func checkpoint() throws -> SignedCheckpoint? {
        guard let note = try read(Self.checkpointName, SignedCheckpoint.maxByteCount) else {
            return nil
        }
        return try naming(Self.checkpointName) { () throws(VerificationError) in
            try SignedCheckpoint(parsing: note)
        }
    }

    /// The entries of one bundle: the full one, or where that is not there the partial one of a width. Nil where
    /// neither is.
    func entries(_ index: UInt64, width: Int) throws -> [SealedEntry]? {
        for name in [
            TileBuilder.entriesName(index), TileBuilder.entriesName(index, width: width),
        ] {
            guard let bytes = try read(name, EntryBundle.maxByteCount) else { continue }
            return try naming(name) { () throws(VerificationError) in
                let entries = try EntryBundle.entries(bytes)
                guard entries.count >= width else {
                    throw VerificationError(
                        .incomplete, "it has \(entries.count) entries instead of \(width)")
                }
                return Array(entries.prefix(width))
            }
        }
        return nil
    }

    /// Checks that a file of hashes is what the entries give; false where it is not there.
    func check(_ file: TileBuilder.File) throws -> Bool {
        guard let bytes = try read(file.name, file.bytes.count) else { return false }
        guard bytes == file.bytes else {
            throw VerificationError(
                .wrongRoot, "\(file.name) is not what the entries of the folder give")
        }
        return true
    }

    /// Runs a body whose errors begin with the name of a file.
    func naming<Value>(
        _ name: String, _ body: () throws(VerificationError) -> Value
    ) throws(VerificationError) -> Value {
        do throws(VerificationError) {
            return try body()
        } catch {
            throw VerificationError(error.code, "\(name): \(error.message)")
        }
    }
}
