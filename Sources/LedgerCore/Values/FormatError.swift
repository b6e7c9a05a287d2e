/// Stored or received bytes that do not have the form that formats.md gives them.
///
/// The message names fields, lengths and bounds, and never repeats payloads or signatures.
package struct FormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with the bytes, for code that decides.
    package enum Code: String, Hashable, Sendable {
        /// The bytes end before the value does.
        case truncated
        /// The value ends before the bytes do.
        case trailingBytes
        /// The bytes are of another format or version.
        case wrongFormat
        /// A length, a count or a number lies outside its bounds.
        case outOfBounds
        /// Text that is not UTF-8, or holds characters that its field does not admit.
        case invalidText
        /// The same value has another, canonical form.
        case notCanonical
        /// Parts of the value contradict each other.
        case inconsistent
        /// An entry carries another number than its place in the block gives it.
        case wrongNumber
        /// An entry's previous hash is not the hash of the entry before it.
        case linkBroken
        /// An entry was sealed at an earlier time than the entry before it.
        case timestampBackwards
    }

    package let code: Code
    package let message: String

    /// The event that the error speaks of, where it speaks of one.
    package let sequenceNumber: SequenceNumber?

    package init(_ code: Code, _ message: String, at sequenceNumber: SequenceNumber? = nil) {
        self.code = code
        self.message = message
        self.sequenceNumber = sequenceNumber
    }

    package var description: String {
        guard let sequenceNumber else { return "\(code.rawValue): \(message)" }
        return "\(code.rawValue) at number \(sequenceNumber): \(message)"
    }
}
