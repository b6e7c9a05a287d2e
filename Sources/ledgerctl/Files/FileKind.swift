// Beside NIO, the compiler takes `stat` for this module's.
internal import Foundation
internal import Glibc

/// What a file with exported entries holds, by its first bytes.
enum FileKind {
    case lines
    case entry
    case bundle

    /// Whether a path is that of a folder.
    static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            && isFolder.boolValue
    }

    /// The kind of a file.
    static func of(_ path: String) throws(FileError) -> FileKind {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(path, "cannot be read") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .system(path, "cannot be read") }
        let beginning = bytes[..<count]
        if beginning.elementsEqual("ILE1".utf8) { return .entry }
        return beginning.first == UInt8(ascii: "{") ? .lines : .bundle
    }
}
