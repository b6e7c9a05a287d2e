import Glibc

/// An open file or folder, closed at the end of its life.
final class Descriptor: Sendable {
    let number: Int32

    /// Nil where the number stands for an error, which `errno` has then.
    init?(_ number: Int32) {
        guard number >= 0 else { return nil }
        self.number = number
    }

    deinit { close(number) }

    /// Reads a file to its end.
    ///
    /// - Parameter size: The length that it had a moment ago, in bytes.
    func readAll(
        _ name: ObjectName, size: Int, maximum: Int
    ) throws(ObjectStoreError) -> [UInt8] {
        var count = 0
        var code: Int32 = 0
        // One more than is expected: so a file that grew is found, and the end of one that did not.
        let capacity = size + 1
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, filled in
            while count < capacity {
                // The buffer has this many bytes behind `count`.
                let result = unsafe Glibc.read(
                    number, buffer.baseAddress! + count, capacity - count)
                if result < 0 && errno == EINTR { continue }
                if result < 0 { code = errno }
                if result <= 0 { break }
                count += result
            }
            filled = count
        }
        guard code == 0 else { throw .system(name.text, code) }
        // Objects are never written in place, so a file that does was made by somebody else.
        guard count == size else {
            throw count > maximum
                ? .tooLarge(name, maximum: maximum)
                : ObjectStoreError(.invalidAnswer, "\(name) changes while it is read")
        }
        return bytes
    }

    /// Writes all bytes and waits until the disk has them.
    func writeAll(_ bytes: [UInt8], _ name: ObjectName) throws(ObjectStoreError) {
        var offset = 0
        while offset < bytes.count {
            let result = unsafe bytes.withUnsafeBytes { buffer in
                // The buffer has this many bytes behind `offset`.
                unsafe Glibc.write(number, buffer.baseAddress! + offset, buffer.count - offset)
            }
            if result < 0 && errno == EINTR { continue }
            guard result > 0 else { throw .system(name.text, result < 0 ? errno : EIO) }
            offset += result
        }
        guard fsync(number) == 0 else { throw .system(name.text, errno) }
    }

    /// Makes the names in a folder outlive a loss of power.
    func syncFolder(_ name: ObjectName) throws(ObjectStoreError) {
        // Some file systems know no such thing as a folder on the disk.
        guard fsync(number) == 0 || errno == EINVAL else { throw .system(name.text, errno) }
    }
}

extension ObjectStoreError {
    /// What an error of the system means for an object.
    static func system(_ name: String, _ code: Int32) -> ObjectStoreError {
        let kind: Kind =
            switch code {
            case ENOSPC, EDQUOT: .full
            case EACCES, EPERM, EROFS, ELOOP, ENOTDIR, EISDIR: .notAllowed
            case EFBIG: .tooLarge
            case ENAMETOOLONG: .invalidName
            case ETIMEDOUT: .timedOut
            case ENOTSUP, EMLINK, EXDEV: .configuration
            default: .unavailable
            }
        // The text is the system's, and lives as long as the thread.
        let text = unsafe String(cString: strerror(code))
        return ObjectStoreError(kind, "\(name): \(text)")
    }

    static func tooLarge(_ name: ObjectName, maximum: Int) -> ObjectStoreError {
        ObjectStoreError(.tooLarge, "\(name) is longer than \(maximum) bytes")
    }
}
