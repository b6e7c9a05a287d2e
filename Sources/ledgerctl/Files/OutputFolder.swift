// Beside NIO, the compiler takes `stat` for this module's.
internal import Foundation
internal import Glibc

/// A folder that one export fills, and nobody else at the same time.
///
/// Below it nothing but folders and regular files is read or written: a link in it could lead an export anywhere.
final class OutputFolder: Sendable {
    /// The folder's path.
    let path: String

    private let descriptor: Int32

    /// Opens the folder, which is made where it is not there, and locks it for this process.
    init(_ path: String) throws(FileError) {
        if mkdir(path, 0o755) != 0, errno != EEXIST { throw .system(path, "cannot be made") }
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(path, "cannot be opened") }
        self.path = path
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw .system(path, "cannot be locked") }
            throw FileError("\(path) is being written by another export")
        }
    }

    deinit { close(descriptor) }

    /// Whether there is nothing in it.
    func isEmpty() throws(FileError) -> Bool {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw FileError("\(path) cannot be read")
        }
        return names.isEmpty
    }

    /// The path of a file below the folder.
    func path(_ name: String) -> String { "\(path)/\(name)" }

    /// A file's bytes; nil where there is none.
    func read(_ name: String, limit: Int) throws(FileError) -> [UInt8]? {
        for folder in Self.folders(of: name) {
            guard try isFolder(folder) else { return nil }
        }
        return try InputFile.readOwn(path(name), limit: limit)
    }

    /// Writes a file, whole or not at all, and the folders that it lies in.
    func write(_ name: String, _ bytes: [UInt8]) throws(FileError) {
        for folder in Self.folders(of: name) {
            if try !isFolder(folder), mkdir(path(folder), 0o755) != 0, errno != EEXIST {
                throw .system(path(folder), "cannot be made")
            }
        }
        try OutputFile.replace(path(name), bytes)
    }

    /// Removes a file where it is there, and its folder where that is then empty.
    func remove(_ name: String) throws(FileError) {
        guard unlink(path(name)) == 0 || errno == ENOENT || errno == ENOTDIR else {
            throw .system(path(name), "cannot be removed")
        }
        unlink(OutputFile.temporaryPath(path(name)))
        if let folder = Self.folders(of: name).last { rmdir(path(folder)) }
    }

    /// The folders above a file, outermost first.
    private static func folders(of name: String) -> [String] {
        let parts = name.split(separator: "/").dropLast()
        return parts.indices.map { parts[...$0].joined(separator: "/") }
    }

    private func isFolder(_ name: String) throws(FileError) -> Bool {
        switch try PathEntry.at(path(name)) {
        case .nothing: return false
        case .folder: return true
        case .file, .other: throw FileError("\(path(name)) is not a folder")
        }
    }
}
