import Glibc
import Synchronization

/// Credentials as they are now: files are read again when they change.
final class CredentialReader: Sendable {
    private struct Known {
        var stamps: [FileStamp]
        var credentials: S3Credentials
    }

    private let source: S3CredentialSource
    private let known = Mutex<Known?>(nil)
    private let queue = BlockingQueue(label: "ledger.s3-credentials", width: 1)

    /// Nobody's credentials are longer than this, in bytes.
    private static let maxFileByteCount = 64 * 1024

    init(_ source: S3CredentialSource) {
        self.source = source
    }

    /// - Throws: `configuration` where they cannot be read and never could be: whoever rotates them may be at it, so
    ///   those that were read last stay good until the store refuses them.
    func current() async throws(ObjectStoreError) -> S3Credentials {
        if case .fixed(let credentials) = source {
            return try credentials.validated(from: "the settings")
        }
        return try await queue.run { [self] () throws(ObjectStoreError) in try look() }
    }

    private var paths: [String] {
        switch source {
        case .fixed: []
        case .files(let accessKey, let secretKey, let token):
            [accessKey, secretKey] + (token.map { [$0] } ?? [])
        case .sharedFile(let path, _): [path]
        }
    }

    private func look() throws(ObjectStoreError) -> S3Credentials {
        let last = known.withLock { $0 }
        let stamps = paths.compactMap(FileStamp.init)
        if let last, stamps == last.stamps { return last.credentials }
        do throws(ObjectStoreError) {
            let credentials = try read()
            // Files that changed meanwhile may not belong together: next time they are read again.
            if stamps.count == paths.count, stamps == paths.compactMap(FileStamp.init) {
                known.withLock { $0 = Known(stamps: stamps, credentials: credentials) }
            }
            return credentials
        } catch {
            guard let last else { throw error }
            return last.credentials
        }
    }

    private func read() throws(ObjectStoreError) -> S3Credentials {
        switch source {
        case .fixed(let credentials): return credentials
        case .files(let accessKey, let secretKey, let token):
            return try S3Credentials(
                accessKey: Self.text(of: accessKey), secretKey: Self.text(of: secretKey),
                sessionToken: token.map { path throws(ObjectStoreError) in try Self.text(of: path) }
            ).validated(from: "the files")
        case .sharedFile(let path, let profile):
            guard
                let credentials = SharedCredentials.profile(
                    profile, in: try Self.text(of: path))
            else {
                throw ObjectStoreError(
                    .configuration,
                    "\(path) has no profile \(profile) with aws_access_key_id and aws_secret_access_key"
                )
            }
            return try credentials.validated(from: path)
        }
    }

    /// Without spaces and line ends on either side.
    private static func text(of path: String) throws(ObjectStoreError) -> String {
        // Strings are passed as pointers that live for the call.
        guard let file = Descriptor(unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) else {
            throw unreadable(path, errno)
        }
        var bytes = [UInt8](repeating: 0, count: maxFileByteCount + 1)
        var count = 0
        while count < bytes.count {
            let result = unsafe bytes.withUnsafeMutableBytes { buffer in
                // The buffer has this many bytes behind `count`.
                unsafe Glibc.read(file.number, buffer.baseAddress! + count, buffer.count - count)
            }
            if result < 0 && errno == EINTR { continue }
            guard result >= 0 else { throw unreadable(path, errno) }
            if result == 0 { break }
            count += result
        }
        guard count <= maxFileByteCount else {
            throw ObjectStoreError(
                .configuration, "\(path) is longer than \(maxFileByteCount) bytes: no credentials")
        }
        var text = bytes[..<count]
        while let first = text.first, first <= 0x20 { text.removeFirst() }
        while let last = text.last, last <= 0x20 { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }

    private static func unreadable(_ path: String, _ code: Int32) -> ObjectStoreError {
        // The text is the system's, and lives as long as the thread.
        let text = unsafe String(cString: strerror(code))
        return ObjectStoreError(
            .configuration, "the credentials in \(path) cannot be read: \(text)")
    }
}

/// What tells that a file is another one than before, links followed.
private struct FileStamp: Equatable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    var seconds: Int
    var nanoseconds: Int

    /// Nil where there is no file.
    init?(_ path: String) {
        var status = stat()
        // The pointer is to a local variable.
        guard unsafe stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}

/// AWS's shared credentials file: profiles in brackets, and settings of the form `name = value` below each.
enum SharedCredentials {
    static func profile(_ name: String, in text: String) -> S3Credentials? {
        var isInProfile = false
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let line = trimmed(line)
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), line.hasSuffix("]") {
                isInProfile = trimmed(line.dropFirst().dropLast()) == name
            } else if isInProfile, let equals = line.firstIndex(of: "=") {
                let key = trimmed(line[..<equals]).lowercased()
                values[key] = String(trimmed(line[line.index(after: equals)...]))
            }
        }
        guard let accessKey = values["aws_access_key_id"],
            let secretKey = values["aws_secret_access_key"]
        else { return nil }
        return S3Credentials(
            accessKey: accessKey, secretKey: secretKey,
            sessionToken: values["aws_session_token"].flatMap { $0.isEmpty ? nil : $0 })
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
