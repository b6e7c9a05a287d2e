internal import Foundation

/// A file that cannot be read or written, or is not what it should be.
struct FileError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// The system's reason for the last failure, which `errno` has.
    static func system(_ path: String, _ what: String) -> FileError {
        FileError("\(path) \(what): \(String(cString: strerror(errno)))")
    }
}
