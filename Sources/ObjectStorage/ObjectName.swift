/// An object's name below the archive's location.
///
/// Parts of `A-Z a-z 0-9 . _ -` between slashes; no part is empty, `.` or `..`, or longer than 255 bytes; at most 512
/// bytes in all. So a name is the same as a path of files, as a key of S3 and in a URL, without any encoding.
package struct ObjectName: Hashable, Sendable, CustomStringConvertible {
    /// In bytes.
    package static let maxByteCount = 512
    /// In bytes; what file systems admit.
    package static let maxPartByteCount = 255

    package let text: String

    /// - Throws: `invalidName` where the text is no name.
    package init(_ text: String) throws(ObjectStoreError) {
        guard text.utf8.count <= Self.maxByteCount else {
            throw ObjectStoreError(
                .invalidName, "an object's name has at most \(Self.maxByteCount) bytes")
        }
        guard Self.parts(of: text).allSatisfy(Self.isPart) else {
            throw ObjectStoreError(
                .invalidName,
                "an object's name is made of parts of A-Z, a-z, 0-9, '.', '_' and '-' between slashes"
            )
        }
        self.text = text
    }

    package var description: String { text }

    /// The text between the slashes.
    var parts: [Substring] { Self.parts(of: text) }

    private static func parts(of text: String) -> [Substring] {
        text.split(separator: "/", omittingEmptySubsequences: false)
    }

    static func isPart(_ part: Substring) -> Bool {
        !part.isEmpty && part != "." && part != ".." && part.utf8.count <= maxPartByteCount
            && part.utf8.allSatisfy(isPartByte)
    }

    private static func isPartByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Whether names may begin with the text.
    static func isPrefix(_ text: String) -> Bool {
        text.utf8.count <= maxByteCount && !text.hasPrefix("/")
            && text.utf8.allSatisfy { isPartByte($0) || $0 == UInt8(ascii: "/") }
    }
}

extension ObjectName: Comparable {
    /// The order of the bytes, as in S3's listings.
    package static func < (left: ObjectName, right: ObjectName) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}
