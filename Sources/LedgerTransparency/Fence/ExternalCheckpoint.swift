import Foundation
package import HTTPTransport
package import LedgerCore
package import Logging
import Synchronization

/// Where a checkpoint of this ledger is kept that the store cannot change: `LEDGER_EXTERNAL_CHECKPOINT`.
package enum CheckpointPlace: Hashable, Sendable, CustomStringConvertible {
    case file(String)
    case location(HTTPLocation)

    /// Reads a path or an http(s) URL; nil for a URL that is none.
    package init?(parsing text: String) {
        guard text.contains("://") else {
            guard !text.isEmpty, !text.utf8.contains(0) else { return nil }
            self = .file(text)
            return
        }
        guard let location = HTTPLocation(parsing: text) else { return nil }
        self = .location(location)
    }

    package var description: String {
        switch self {
        case .file(let path): path
        case .location(let location): location.description
        }
    }
}

/// Why an external checkpoint says nothing.
package struct ExternalCheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        /// There is no file, no answer, or no 200.
        case unreadable
        /// What is there is no checkpoint, or longer than 1 MiB.
        case malformed
        /// No key of this ledger has signed it.
        case notSigned = "not_signed"
    }

    package let code: Code
    package let message: String

    package var description: String { "\(code.rawValue): \(message)" }
}

/// Reads the external checkpoint, anew each time.
package final class ExternalCheckpoint: Sendable {
    /// The longest wait for an answer.
    static let timeout = Duration.seconds(2)

    private let place: CheckpointPlace
    private let keys: [NoteVerifier]
    private let transport: CurlTransport
    private let logger: Logger
    private let state = Mutex<ExternalCheckpointError.Code?>(nil)

    /// - Parameter keys: this ledger's keys, former ones too: one of them must have signed.
    package init(
        _ place: CheckpointPlace, keys: [NoteVerifier], transport: CurlTransport, logger: Logger
    ) {
        self.place = place
        self.keys = keys
        self.transport = transport
        self.logger = logger
    }

    /// The checkpoint that is there now.
    package func read() async throws(ExternalCheckpointError) -> Checkpoint {
        let bytes =
            switch place {
            case .file(let path): try Self.content(ofFile: path)
            case .location(let location): try await content(of: location)
            }
        let note: SignedNote
        do throws(FormatError) {
            note = try SignedNote(parsing: bytes)
        } catch {
            throw ExternalCheckpointError(code: .malformed, message: error.message)
        }
        var reason = "there is no key to check it with"
        for key in keys {
            do throws(ProofError) {
                return try key.checkpoint(of: note)
            } catch {
                reason = error.message
            }
        }
        throw ExternalCheckpointError(code: .notSigned, message: reason)
    }

    /// What the checkpoint says of this ledger; nothing where it cannot be read, which is logged once.
    package func records() async -> [OutsideRecord] {
        do throws(ExternalCheckpointError) {
            let checkpoint = try await read()
            note(nil)
            return [
                OutsideRecord(
                    source: "external checkpoint \(place)", size: checkpoint.size,
                    root: checkpoint.root)
            ]
        } catch {
            note(error)
            return []
        }
    }

    /// What is wrong with it, as it was found last; nil: nothing.
    package var trouble: ExternalCheckpointError.Code? { state.withLock { $0 } }

    private func note(_ error: ExternalCheckpointError?) {
        let before = state.withLock { exchange(&$0, with: error?.code) }
        guard before != error?.code else { return }
        guard let error else {
            logger.notice("the external checkpoint is read again", metadata: ["place": "\(place)"])
            return
        }
        logger.log(
            level: error.code == .unreadable ? .warning : .error,
            "the external checkpoint cannot be used",
            metadata: [
                "place": "\(place)", "code": "\(error.code.rawValue)", "error": "\(error)",
            ])
    }

    private static func content(
        ofFile path: String
    ) throws(ExternalCheckpointError) -> [UInt8] {
        // A pipe or a device could keep the reader for ever.
        let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            throw ExternalCheckpointError(
                code: .unreadable, message: String(cString: strerror(errno)))
        }
        let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
        var information = stat()
        guard fstat(file, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
            throw ExternalCheckpointError(code: .unreadable, message: "it is not a file")
        }
        guard let content = try? handle.read(upToCount: SignedNote.maxByteCount + 1) ?? Data()
        else {
            throw ExternalCheckpointError(code: .unreadable, message: "the file cannot be read")
        }
        return Array(content)
    }

    private func content(
        of location: HTTPLocation
    ) async throws(ExternalCheckpointError) -> [UInt8] {
        let result = await transport.send(
            OutgoingRequest(
                .get, location.origin, target: location.path,
                maxAnswerBytes: SignedNote.maxByteCount, deadline: .now + Self.timeout))
        switch result {
        case .success(let answer) where answer.status == 200: return answer.body
        case .success(let answer):
            throw ExternalCheckpointError(
                code: .unreadable, message: "the answer has status \(answer.status)")
        case .failure(let failure):
            throw ExternalCheckpointError(
                code: failure.kind == .answerTooLong ? .malformed : .unreadable,
                message: failure.message)
        }
    }
}
