// Beside NIO, the compiler takes `stat` for this module's.
internal import Foundation
internal import Glibc

/// Files that are read whole, and so up to a limit only.
enum InputFile {
    /// The longest file with verifier keys, in bytes.
    static let keysLimit = 64 * 1024

    /// The longest PEM file, in bytes.
    static let pemLimit = 64 * 1024

    /// The bytes of a file.
    ///
    /// - Parameters:
    ///   - path: The file; links are followed.
    ///   - limit: The most bytes that it may have; not one more is read.
    static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        try read(path, limit: limit, flags: 0)
    }

    /// The bytes of a file that nothing but a regular file, and no link, may be; nil where there is none.
    static func readOwn(_ path: String, limit: Int) throws(FileError) -> [UInt8]? {
        switch try PathEntry.at(path) {
        case .nothing: return nil
        case .file: return try read(path, limit: limit, flags: O_NOFOLLOW)
        case .folder, .other: throw FileError("\(path) is not a regular file")
        }
    }

    private static func read(
        _ path: String, limit: Int, flags: Int32
    ) throws(FileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | flags)
        guard descriptor >= 0 else { throw .system(path, "cannot be read") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Foundation.read(
                descriptor, &chunk, min(chunk.count, limit + 1 - bytes.count))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system(path, "cannot be read") }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw FileError("\(path) has more than \(limit) bytes")
            }
        }
    }
}
