/// A request as its caller puts it.
package struct OutgoingRequest: Sendable {
    package enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case put = "PUT"
        case post = "POST"
        case delete = "DELETE"

        /// Whether it has a body, an empty one included.
        var hasBody: Bool { self == .put || self == .post }

        /// Whether libcurl may repeat it over another connection where one dies, which it never says.
        var isRepeatable: Bool { self == .get || self == .head }
    }

    package var method: Method
    package var origin: HTTPOrigin
    /// Empty, or a path that begins with a slash, with or without a query; percent-encoded already.
    package var target: String
    /// At most 64 fields and 16 KiB. An array that is the same for many requests costs nothing again.
    package var fields: [HTTPField]
    /// Empty unless the method is PUT or POST.
    package var body: [UInt8]
    /// The longest body of the answer, in bytes; nil means the transport's own limit, which also bounds this one.
    package var maxAnswerBytes: Int?
    /// When a connection must have been found and the request be on its way.
    package var connectDeadline: ContinuousClock.Instant?
    /// When the answer must have been read.
    package var deadline: ContinuousClock.Instant

    package init(
        _ method: Method, _ origin: HTTPOrigin, target: String, fields: [HTTPField] = [],
        body: [UInt8] = [], maxAnswerBytes: Int? = nil,
        connectDeadline: ContinuousClock.Instant? = nil, deadline: ContinuousClock.Instant
    ) {
        self.method = method
        self.origin = origin
        self.target = target
        self.fields = fields
        self.body = body
        self.maxAnswerBytes = maxAnswerBytes
        self.connectDeadline = connectDeadline
        self.deadline = deadline
    }

    /// Whether HTTP and the documented bounds admit everything but the header fields.
    var isWellFormed: Bool {
        (target.isEmpty || target.utf8.first == UInt8(ascii: "/")) && HTTPTarget.isValid(target)
            && (method.hasBody || body.isEmpty)
    }
}

/// One line of a header.
package struct HTTPField: Hashable, Sendable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    static let maxCount = 64
    static let maxByteCount = 16 * 1024

    /// Whether all the fields may be sent: a name is a token of ASCII letters, digits, `-` and `_`; a value has no
    /// control characters. Such a character would begin another field, or another request.
    package static func areValid(_ fields: [HTTPField]) -> Bool {
        fields.count <= maxCount
            && fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count } <= maxByteCount
            && fields.allSatisfy { field in
                !field.name.isEmpty && field.name.utf8.allSatisfy(isNameByte)
                    && field.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
