/// An answer over HTTP, apart from any HTTP library.
package struct Page: Sendable {
    /// How long caches may keep it.
    package enum Caching: Hashable, Sendable {
        /// Not at all.
        case none
        /// They ask whether it has changed whenever they use it.
        case revalidated
        /// For a year: the same path has the same body for ever.
        case forever
        /// The same, but a day is enough, for a larger page will take its place.
        case forADay

        var header: String {
            switch self {
            case .none: "no-store"
            case .revalidated: "no-cache"
            case .forever: "public, max-age=31536000, immutable"
            case .forADay: "public, max-age=86400, immutable"
            }
        }
    }

    /// What is sent.
    package enum Body: Sendable {
        case bytes([UInt8])
        /// Bytes that are made while they are sent, nil after the last. Where that fails the connection is cut, so that no
        /// reader takes a part for the whole.
        case pieces(@Sendable () async throws -> [UInt8]?)
    }

    package static let text = "text/plain; charset=utf-8"
    package static let octets = "application/octet-stream"

    /// The HTTP status.
    package var status: Int
    /// The body's media type.
    package var contentType: String
    package var body: Body
    package var caching: Caching
    /// Names this very body; nil where nobody asks whether it has changed. Printable ASCII without quotes.
    package var entityTag: String?
    /// Whether it is worth while to ask again soon.
    package var isTemporary: Bool

    package init(
        status: Int = 200, contentType: String, body: Body, caching: Caching = .none,
        entityTag: String? = nil, isTemporary: Bool = false
    ) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.caching = caching
        self.entityTag = entityTag
        self.isTemporary = isTemporary
    }

    /// Makes an answer of bytes.
    package init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.init(status: status, contentType: contentType, body: .bytes(body))
    }

    /// Makes an answer of one line of text.
    package init(status: Int = 200, line: String, isTemporary: Bool = false) {
        self.init(
            status: status, contentType: Self.text, body: .bytes(Array((line + "\n").utf8)),
            isTemporary: isTemporary)
    }
}
