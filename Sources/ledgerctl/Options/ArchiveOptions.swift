internal import ArgumentParser
internal import Foundation
internal import LedgerArchive
internal import LedgerCore
internal import LedgerVerify
internal import ObjectStorage

/// Which archive, and by which keys it is known.
struct ArchiveOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The archive: s3://bucket/prefix or file:///folder. (default: $LEDGER_ARCHIVE)",
            valueName: "location"))
    var archive: String?

    @OptionGroup var keys: VerifierKeyOptions

    /// The store, and the keys of which one must have signed its checkpoint.
    func open(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> (objects: any ObjectStore, keys: [NoteVerifier]) {
        guard let location = archive ?? environment["LEDGER_ARCHIVE"], !location.isEmpty else {
            throw ValidationError("Give --archive, or set LEDGER_ARCHIVE.")
        }
        let keys = try keys.keys(environment: environment).map {
            try NoteVerifier(parsing: $0.description)
        }
        guard !keys.isEmpty else {
            throw ValidationError(
                "Give --verifier-key, --verifier-key-file or LEDGER_VERIFIER_KEYS: nothing that an archive says is "
                    + "believed before its signature is checked.")
        }
        return (try Self.store(location, environment), keys)
    }

    /// A place where objects are, with the service's own variables for what a bucket needs.
    static func store(
        _ location: String, _ environment: [String: String]
    ) throws -> any ObjectStore {
        do throws(ObjectStoreError) {
            return try ObjectPlaces.open(location, environment: environment)
        } catch {
            throw ValidationError("\(location): \(error.message)")
        }
    }

    /// Runs the body and turns findings into messages and exit codes.
    static func reported<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let finding as ArchiveFinding {
            throw failure("the archive: \(finding)", Self.code(of: finding))
        } catch let error as RecoveryError {
            switch error {
            case .archive(let finding): throw failure("\(error)", code(of: finding))
            case .store(let cause): throw cause
            case .anotherPast, .otherBlocks, .archiveChanged:
                throw failure("\(error)", ExitCodes.verificationFailed)
            case .sealerAlive, .storeIsAhead, .otherArchive, .changed:
                throw failure("\(error)", ExitCodes.failure)
            }
        }
    }

    private static func failure(_ message: String, _ code: Int32) -> ExitCode {
        Console.note("ledgerctl: " + Printable.escape(message))
        return ExitCode(code)
    }

    private static func code(of finding: ArchiveFinding) -> Int32 {
        switch finding {
        case .storage, .cancelled: ExitCodes.unavailable
        case .missing, .wrong, .noCheckpoint: ExitCodes.verificationFailed
        }
    }
}
