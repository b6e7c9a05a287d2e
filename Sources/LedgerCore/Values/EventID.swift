/// The name that a caller gave an event: 1 to 256 bytes of UTF-8, compared as bytes.
///
/// Two ids that differ only in Unicode normalisation are two ids, which is why no `String` is kept
/// (formats.md, "Entry").
package struct EventID: Hashable, Sendable, CustomStringConvertible {
    /// The admitted lengths in bytes.
    package static let byteCounts = 1...256

    package let utf8: [UInt8]

    /// Takes 1 to 256 bytes of UTF-8.
    package init(validating utf8: [UInt8]) throws(FormatError) {
        guard Self.byteCounts.contains(utf8.count) else {
            throw FormatError(
                .outOfBounds, "an event id has 1 to 256 bytes; this one has \(utf8.count)")
        }
        guard UTF8Text.isValid(utf8[...]) else {
            throw FormatError(.invalidText, "the event id is not UTF-8")
        }
        self.utf8 = utf8
    }

    /// Takes bytes that were checked already.
    init(unchecked utf8: [UInt8]) { self.utf8 = utf8 }

    /// The id as text.
    package var description: String { String(decoding: utf8, as: UTF8.self) }
}
