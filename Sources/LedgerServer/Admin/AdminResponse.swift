/// An answer of the admin port, apart from any HTTP library.
package struct AdminResponse: Sendable, Hashable {
    /// The HTTP status.
    package var status: Int
    /// The body's media type.
    package var contentType: String
    /// The body.
    package var body: [UInt8]
    /// Whether the same path will for ever have the same body, so that caches may keep it.
    package var isImmutable: Bool

    /// Makes an answer of bytes.
    package init(
        status: Int = 200, contentType: String, body: [UInt8], isImmutable: Bool = false
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.isImmutable = isImmutable
    }

    /// Makes an answer of one line of text.
    package init(status: Int = 200, line: String) {
        self.init(
            status: status, contentType: "text/plain; charset=utf-8",
            body: Array((line + "\n").utf8))
    }
}
