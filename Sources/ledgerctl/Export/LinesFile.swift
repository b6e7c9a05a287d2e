internal import Crypto
internal import Foundation

/// A file that grows line by line, of which it is always known how much is safely written.
///
/// While it grows its name ends with `.partial`.
struct LinesFile {
    /// Lines are gathered up to so many bytes before they are written.
    private static let bufferBytes = 1 << 20

    private let path: String
    private let descriptor: Descriptor
    private var hash = SHA256()
    private var buffer: [UInt8] = []

    /// How many bytes there are, those that are only gathered included.
    private(set) var byteCount: UInt64

    /// The name while it grows.
    private static func growing(_ path: String) -> String { path + ".partial" }

    /// Opens the file and drops what is behind the bytes that were safely written.
    ///
    /// - Parameters:
    ///   - path: The name of the complete file; what has it already goes on growing.
    ///   - byteCount: How many bytes were safely written.
    ///   - sha256: Their hash; the file is read to see that they are still there.
    init(_ path: String, byteCount: UInt64, sha256: String) throws(FileError) {
        self.path = path
        self.byteCount = byteCount
        let growing = Self.growing(path)
        if access(growing, F_OK) != 0, access(path, F_OK) == 0 {
            try OutputFile.move(path, to: growing)
        }
        OutputFile.ignoreSizeLimitSignal()
        let create = byteCount == 0 ? O_CREAT : 0
        let number = open(growing, O_RDWR | create | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard number >= 0 else { throw .system(growing, "cannot be opened") }
        descriptor = Descriptor(number: number)
        try readBack(growing)
        guard Self.hex(hash) == sha256 else {
            throw FileError(
                "\(growing) is not what was written: remove the folder, and export again")
        }
        guard ftruncate(number, off_t(byteCount)) == 0,
            lseek(number, 0, SEEK_END) == off_t(byteCount)
        else { throw .system(growing, "cannot be written") }
    }

    /// The SHA-256 of no bytes.
    static var emptyHash: String { hex(SHA256()) }

    /// The SHA-256 of all bytes, as hexadecimal digits.
    var sha256: String { Self.hex(hash) }

    /// Appends a line, which may only be gathered yet.
    mutating func append(_ line: String) throws(FileError) {
        let bytes = Array(line.utf8)
        buffer += bytes
        byteCount += UInt64(bytes.count)
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    /// Brings everything to the disk.
    mutating func sync() throws(FileError) {
        try flush()
        guard fsync(descriptor.number) == 0 else {
            throw .system(Self.growing(path), "cannot be written")
        }
    }

    /// Gives the file its name; everything must be on the disk.
    func complete() throws(FileError) {
        try OutputFile.move(Self.growing(path), to: path)
    }

    private mutating func flush() throws(FileError) {
        hash.update(data: buffer)
        try OutputFile.write(buffer, to: descriptor.number, path: Self.growing(path))
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func readBack(_ path: String) throws(FileError) {
        var chunk = [UInt8](repeating: 0, count: 256 * 1024)
        var left = byteCount
        while left > 0 {
            let count = read(descriptor.number, &chunk, Int(min(UInt64(chunk.count), left)))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system(path, "cannot be read") }
            // What is missing gives another hash.
            guard count > 0 else { return }
            hash.update(data: chunk[..<count])
            left -= UInt64(count)
        }
    }

    private static func hex(_ hash: SHA256) -> String {
        hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Closes the file when nobody uses it any more.
    private final class Descriptor: Sendable {
        let number: Int32
        init(number: Int32) { self.number = number }
        deinit { close(number) }
    }
}
