/// Why bytes are not the JSON that was expected.
package struct JSONFailure: Error, Hashable, Sendable {
    /// Where, in bytes from the start.
    package let offset: Int
    package let reason: String

    package init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }
}
