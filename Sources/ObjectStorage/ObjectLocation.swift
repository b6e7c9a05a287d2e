/// Where an archive is, as a setting and the record in etcd say it.
package enum ObjectLocation: Hashable, Sendable, CustomStringConvertible {
    /// An absolute path without a slash at its end.
    case folder(String)
    /// The prefix is empty, or an object's name that is followed by a slash in every key.
    case s3(bucket: String, prefix: String)

    /// The longest prefix, in bytes: with the longest name it is below S3's 1,024 bytes for a key.
    package static let maxPrefixByteCount = 256
    /// The longest path of a folder, in bytes.
    package static let maxPathByteCount = 1024

    /// Reads `s3://bucket/prefix`, `s3://bucket` or `file:///folder`.
    ///
    /// - Throws: `configuration`, with what is wrong.
    package init(parsing text: String) throws(ObjectStoreError) {
        if let rest = Self.rest(of: text, after: "s3://") {
            self = try Self.s3(rest)
        } else if let rest = Self.rest(of: text, after: "file://") {
            self = try Self.folder(rest)
        } else {
            throw Self.invalid("begins with s3:// or file://")
        }
    }

    /// The canonical text, which is parsed to the same location.
    package var description: String {
        switch self {
        case .folder(let path): "file://\(path)"
        case .s3(let bucket, ""): "s3://\(bucket)"
        case .s3(let bucket, let prefix): "s3://\(bucket)/\(prefix)"
        }
    }

    private static func rest(of text: String, after scheme: String) -> Substring? {
        text.hasPrefix(scheme) ? text.dropFirst(scheme.count) : nil
    }

    private static func s3(_ rest: Substring) throws(ObjectStoreError) -> ObjectLocation {
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let bucket = rest[..<slash]
        guard isBucket(bucket) else {
            throw invalid(
                "names a bucket of 3 to 63 lower-case letters, digits, '-' and '.' that begins and ends with a letter or digit"
            )
        }
        var prefix = rest[slash...].drop { $0 == "/" }
        if prefix.hasSuffix("/") { prefix.removeLast() }
        guard prefix.isEmpty || (try? ObjectName(String(prefix))) != nil,
            prefix.utf8.count <= maxPrefixByteCount
        else {
            throw invalid(
                "has a prefix of parts of A-Z, a-z, 0-9, '.', '_' and '-' between slashes, at most \(maxPrefixByteCount) bytes"
            )
        }
        return .s3(bucket: String(bucket), prefix: String(prefix))
    }

    private static func isBucket(_ text: Substring) -> Bool {
        guard (3...63).contains(text.utf8.count), let first = text.utf8.first,
            let last = text.utf8.last, isLetterOrDigit(first), isLetterOrDigit(last)
        else { return false }
        return !text.contains("..")
            && text.utf8.allSatisfy {
                isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
            }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func folder(_ rest: Substring) throws(ObjectStoreError) -> ObjectLocation {
        var path = rest
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        // A percent sign would be an encoding to some readers and a letter to others.
        guard path.hasPrefix("/"), path.utf8.count <= maxPathByteCount,
            parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }),
            path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F && !forbidden.contains($0) })
        else {
            throw invalid(
                "is file:// and an absolute path below the root, without '..', spaces, '%', '?', '#', '\"' and '\\'"
            )
        }
        return .folder(String(path))
    }

    private static let forbidden = Set("%?#\"\\".utf8)

    private static func invalid(_ rule: String) -> ObjectStoreError {
        ObjectStoreError(
            .configuration,
            "an archive's location \(rule), for example s3://bucket/prefix or file:///srv/archive")
    }
}
