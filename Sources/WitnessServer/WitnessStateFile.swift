import Foundation
import LedgerCore
import TextFormats

/// The file that holds what a witness has cosigned.
///
///     immutable-ledger witness 1
///     <size> <base64 of the root> <origin>      one line for each log
///     <hex SHA-256 of the lines above>
///
/// A file that is not exactly so is refused: a witness that forgets can be led to cosign a second past.
final class WitnessStateFile {
    private static let header = "immutable-ledger witness 1"
    /// The longest file that is read, in bytes.
    private static let maxByteCount = 1 << 20

    private let path: String
    private let lock: Int32

    /// Takes the file for this process alone, until it ends.
    ///
    /// - Throws: where another process has it, or the folder cannot be written to.
    init(_ path: String) throws(WitnessStateError) {
        self.path = path
        // A file of its own, for the state's is replaced with every change.
        let lockPath = path + ".lock"
        lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            throw WitnessStateError("\(lockPath) cannot be opened", errno)
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno
            close(lock)
            throw number == EWOULDBLOCK
                ? WitnessStateError("another process uses \(path)")
                : WitnessStateError("\(lockPath) cannot be locked", number)
        }
    }

    deinit { close(lock) }

    /// What the file holds; nil where there is no file.
    func read() throws(WitnessStateError) -> WitnessRegister? {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            guard access(path, F_OK) != 0, errno == ENOENT else {
                throw WitnessStateError("\(path) cannot be read", errno)
            }
            return nil
        }
        defer { try? handle.close() }
        guard let content = try? handle.read(upToCount: Self.maxByteCount + 1) ?? Data() else {
            throw WitnessStateError("\(path) cannot be read")
        }
        guard let register = Self.decode(Array(content)) else {
            throw WitnessStateError(
                "\(path) is damaged: restore it, for a witness that has forgotten what it cosigned may cosign a second past"
            )
        }
        return register
    }

    /// Replaces the file's content; when this returns, it is there after a power failure too.
    ///
    /// - Throws: with `isReplaced` where the new content is in place but may not survive one.
    func write(_ register: WitnessRegister) throws(WitnessStateError) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw WitnessStateError("\(temporary) cannot be opened", errno) }
        do throws(WitnessStateError) {
            try Self.write(Self.encode(register), to: file, name: temporary)
        } catch {
            close(file)
            throw error
        }
        close(file)
        guard rename(temporary, path) == 0 else {
            throw WitnessStateError("\(path) cannot be replaced", errno)
        }
        let folder = open(
            URL(filePath: path).deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
        defer { if folder >= 0 { close(folder) } }
        guard folder >= 0, fsync(folder) == 0 else {
            throw WitnessStateError(
                "the folder of \(path) cannot be synced", errno, isReplaced: true)
        }
    }

    private static func write(
        _ bytes: [UInt8], to file: Int32, name: String
    ) throws(WitnessStateError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if errno != EINTR {
                throw WitnessStateError("\(name) cannot be written", errno)
            }
        }
        guard fsync(file) == 0 else { throw WitnessStateError("\(name) cannot be synced", errno) }
    }

    // MARK: Format

    static func encode(_ register: WitnessRegister) -> [UInt8] {
        var text = header + "\n"
        for (origin, entry) in register.entries.sorted(by: { $0.key < $1.key }) {
            text += "\(entry.size) \(Base64.encode(entry.root.bytes)) \(origin)\n"
        }
        let bytes = Array(text.utf8)
        return bytes + Array("\(Digest.sha256(bytes).hex)\n".utf8)
    }

    /// Nil for anything that `encode` does not write.
    static func decode(_ content: [UInt8]) -> WitnessRegister? {
        guard content.count <= maxByteCount,
            let text = String(validating: content, as: UTF8.self)
        else { return nil }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 3, lines.removeLast().isEmpty, lines.removeFirst() == header else {
            return nil
        }
        lines.removeLast()
        var register = WitnessRegister()
        for line in lines {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, let size = DecimalText.canonical(Array(parts[0].utf8)[...]),
                let root = Base64.decode(String(parts[1])).flatMap({ Digest(bytes: $0) }),
                WitnessedLog.isValid(String(parts[2]))
            else { return nil }
            register.entries[String(parts[2])] = WitnessRegister.Entry(size: size, root: root)
        }
        // The order, the sum and everything else: one register has one text.
        return encode(register) == content ? register : nil
    }
}

/// Why a witness's state cannot be read or kept.
package struct WitnessStateError: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// Whether the new state has taken the place of the old one all the same.
    let isReplaced: Bool

    init(_ description: String, _ number: Int32 = 0, isReplaced: Bool = false) {
        self.description =
            number == 0 ? description : "\(description): \(String(cString: strerror(number)))"
        self.isReplaced = isReplaced
    }
}
