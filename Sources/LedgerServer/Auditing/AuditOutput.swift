import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where the audit log goes: `LEDGER_AUDIT_LOG`.
package enum AuditDestination: Hashable, Sendable {
    case standardOutput
    case standardError
    /// A file, made where it is not there.
    case file(String)

    /// What a value of the setting means; nil for `off`.
    package init?(_ text: String) {
        switch text.lowercased() {
        case "off": return nil
        case "stdout": self = .standardOutput
        case "stderr": self = .standardError
        default: self = .file(text)
        }
    }

    /// The setting's value.
    package var text: String {
        switch self {
        case .standardOutput: "stdout"
        case .standardError: "stderr"
        case .file(let path): path
        }
    }
}

/// Writes bytes to a destination, and follows a file that is moved away. To be used by one thread at a time.
final class AuditOutput: Sendable {
    /// How often it is looked whether another file is at the path.
    private static let lookInterval = Duration.seconds(1)

    private struct State {
        var descriptor: Int32
        var looked: ContinuousClock.Instant
        /// A line was written in part.
        var isBroken = false
    }

    private let destination: AuditDestination
    private let state: Mutex<State>

    /// - Throws: the setting, where the file cannot be opened.
    init(_ destination: AuditDestination) throws(ConfigurationError) {
        self.destination = destination
        let descriptor: Int32
        switch destination {
        case .standardOutput: descriptor = STDOUT_FILENO
        case .standardError: descriptor = STDERR_FILENO
        case .file(let path):
            descriptor = Self.openFile(path)
            guard descriptor >= 0 else {
                throw ConfigurationError(
                    SettingName.auditLog.rawValue, value: path,
                    accepted: "off, stdout, stderr, or the path of a file that can be written")
            }
        }
        state = Mutex(State(descriptor: descriptor, looked: .now))
    }

    deinit {
        if case .file = destination { state.withLock { _ = close($0.descriptor) } }
    }

    /// Writes whole lines.
    ///
    /// - Returns: false where they were not all written.
    func append(_ lines: [UInt8]) -> Bool {
        state.withLock { state in
            follow(&state)
            guard state.descriptor >= 0 else { return false }
            // What follows half a line is a line of its own.
            let bytes = state.isBroken ? [UInt8(ascii: "\n")] + lines : lines
            let count = Self.put(bytes, to: state.descriptor)
            if count > 0 { state.isBroken = bytes[count - 1] != UInt8(ascii: "\n") }
            return count == bytes.count
        }
    }

    /// Opens the file anew where another one, or none, is at its path.
    private func follow(_ state: inout State) {
        guard case .file(let path) = destination,
            state.descriptor < 0
                || state.looked.duration(to: .now) >= Self.lookInterval
        else { return }
        state.looked = .now
        if state.descriptor >= 0, Self.isSame(path, state.descriptor) { return }
        let opened = Self.openFile(path)
        guard opened >= 0 else { return }
        if state.descriptor >= 0 { _ = close(state.descriptor) }
        state.descriptor = opened
        state.isBroken = false
    }

    private static func isSame(_ path: String, _ descriptor: Int32) -> Bool {
        var there = stat()
        var own = stat()
        guard stat(path, &there) == 0, fstat(descriptor, &own) == 0 else { return false }
        return there.st_ino == own.st_ino && there.st_dev == own.st_dev
    }

    /// - Returns: the descriptor; negative where it cannot be opened. A pipe that nobody reads is refused, not waited for.
    private static func openFile(_ path: String) -> Int32 {
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC
        let descriptor = open(path, flags | O_NONBLOCK, 0o640)
        if descriptor >= 0 { _ = fcntl(descriptor, F_SETFL, flags) }
        return descriptor
    }

    /// - Returns: how many bytes were written.
    private static func put(_ bytes: [UInt8], to descriptor: Int32) -> Int {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let count = write(
                    descriptor, buffer.baseAddress! + done, buffer.count - done)
                if count > 0 {
                    done += count
                } else if errno != EINTR {
                    break
                }
            }
            return done
        }
    }
}
