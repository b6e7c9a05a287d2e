// Beside NIO, the compiler takes `stat` for this module's.
internal import Foundation
internal import Glibc

/// Files that are written whole: they are there with all their bytes, on the disk, or not at all.
enum OutputFile {
    /// Makes a file that was not there.
    ///
    /// - Parameter mode: Its permissions; nobody else can open it before it has them.
    /// - Throws: `FileError` where anything has the name already, a link too, and where it cannot be written.
    static func create(
        _ path: String, _ bytes: [UInt8], mode: mode_t = 0o644
    ) throws(FileError) {
        // A look first, for a better message; the link below is what decides.
        guard try PathEntry.at(path) == .nothing else {
            throw FileError("\(path) exists already, and stays as it is")
        }
        let temporary = try writeTemporary(beside: path, bytes, mode: mode)
        defer { unlink(temporary) }
        guard link(temporary, path) == 0 else {
            if errno == EEXIST { throw FileError("\(path) exists already, and stays as it is") }
            throw .system(path, "cannot be written")
        }
        try syncFolder(of: path)
    }

    /// Makes a file, or puts it in place of the one that was there.
    static func replace(_ path: String, _ bytes: [UInt8]) throws(FileError) {
        let temporary = try writeTemporary(beside: path, bytes, mode: 0o644)
        guard rename(temporary, path) == 0 else {
            let error = FileError.system(path, "cannot be written")
            unlink(temporary)
            throw error
        }
        try syncFolder(of: path)
    }

    /// Gives a file another name in its folder, in place of what has that name.
    static func move(_ path: String, to target: String) throws(FileError) {
        guard rename(path, target) == 0 else { throw .system(target, "cannot be written") }
        try syncFolder(of: target)
    }

    /// Writes all bytes at the end of an open file.
    static func write(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(FileError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system(path, "cannot be written") }
            rest = rest.dropFirst(count)
        }
    }

    /// A limit on the length of files is from now on an error of writing, and no signal that ends the process.
    static func ignoreSizeLimitSignal() {
        signal(SIGXFSZ, SIG_IGN)
    }

    /// The name of the file that becomes another one. It is always the same, so that what a killed process left is
    /// written over by the next.
    static func temporaryPath(_ path: String) -> String {
        var parts = path.split(separator: "/", omittingEmptySubsequences: false)
        parts[parts.endIndex - 1] = ".\(parts[parts.endIndex - 1]).ledgerctl-tmp"
        return parts.joined(separator: "/")
    }

    private static func writeTemporary(
        beside path: String, _ bytes: [UInt8], mode: mode_t
    ) throws(FileError) -> String {
        ignoreSizeLimitSignal()
        let temporary = temporaryPath(path)
        unlink(temporary)
        let descriptor = open(
            temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .system(path, "cannot be written") }
        do throws(FileError) {
            defer { close(descriptor) }
            try write(bytes, to: descriptor, path: path)
            guard fsync(descriptor) == 0 else { throw .system(path, "cannot be written") }
        } catch {
            unlink(temporary)
            throw error
        }
        return temporary
    }

    /// Makes the names in a file's folder outlive a loss of power.
    private static func syncFolder(of path: String) throws(FileError) {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(folder, "cannot be opened") }
        defer { close(descriptor) }
        // Some file systems know no such thing as a folder on the disk.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw .system(folder, "cannot be written")
        }
    }
}
