/// A span that has ended, cut to its bounds: what is exported of it.
package struct SpanRecord: Sendable, Hashable {
    /// The bounds of one span. What is more is left out and counted, or cut.
    package enum Bounds {
        /// Bytes of a name, a key, or a status message.
        package static let nameBytes = 128
        /// Bytes of an attribute's text.
        package static let textBytes = 256
        /// Attributes of a span, an event or a link.
        package static let attributes = 32
        /// Elements of an attribute that is a list.
        package static let elements = 16
        package static let events = 16
        package static let links = 16
    }

    /// What an attribute is set to.
    package enum Value: Sendable, Hashable {
        case text(String)
        case integer(Int64)
        case number(Double)
        case flag(Bool)
        case list([Value])
    }

    package struct Attribute: Sendable, Hashable {
        package var key: String
        package var value: Value

        package init(_ key: String, _ value: Value) {
            self.key = Bounded.text(key, Bounds.nameBytes)
            self.value = value
        }
    }

    /// By OTLP's numbers.
    package enum Kind: Int, Sendable, Hashable {
        case `internal` = 1
        case server = 2
        case client = 3
        case producer = 4
        case consumer = 5
    }

    package struct Status: Sendable, Hashable {
        package var isError: Bool
        package var message: String

        package init(isError: Bool, message: String = "") {
            self.isError = isError
            self.message = Bounded.text(message, Bounds.nameBytes)
        }
    }

    package struct Event: Sendable, Hashable {
        package var name: String
        package var time: UInt64
        package var attributes: [Attribute]

        package init(name: String, time: UInt64, attributes: [Attribute]) {
            self.name = Bounded.text(name, Bounds.nameBytes)
            self.time = time
            self.attributes = Array(attributes.prefix(Bounds.attributes))
        }
    }

    package struct Link: Sendable, Hashable {
        package var context: SpanContext
        package var attributes: [Attribute]

        package init(context: SpanContext, attributes: [Attribute]) {
            self.context = context
            self.attributes = Array(attributes.prefix(Bounds.attributes))
        }
    }

    package let context: SpanContext
    package let parent: SpanID?
    package let name: String
    package let kind: Kind
    /// Nanoseconds since 1970.
    package let start: UInt64
    /// Nanoseconds since 1970, never before `start`.
    package let end: UInt64
    /// Sorted by key.
    package private(set) var attributes: [Attribute] = []
    package private(set) var events: [Event] = []
    package private(set) var links: [Link] = []
    package private(set) var droppedAttributes = 0
    package private(set) var droppedEvents = 0
    package private(set) var droppedLinks = 0
    package var status: Status?

    package init(
        _ context: SpanContext, parent: SpanID?, name: String, kind: Kind, start: UInt64,
        end: UInt64
    ) {
        self.context = context
        self.parent = parent
        self.name = Bounded.text(name, Bounds.nameBytes)
        self.kind = kind
        self.start = start
        self.end = max(start, end)
    }

    package mutating func set(_ attributes: [Attribute]) {
        self.attributes = Array(
            attributes.sorted { $0.key < $1.key }.prefix(Bounds.attributes))
        droppedAttributes = attributes.count - self.attributes.count
    }

    /// - Parameter dropped: how many there were beside these.
    package mutating func set(_ events: [Event], dropped: Int) {
        self.events = events
        droppedEvents = dropped
    }

    /// - Parameter dropped: how many there were beside these.
    package mutating func set(_ links: [Link], dropped: Int) {
        self.links = links
        droppedLinks = dropped
    }

    /// About what it takes in memory, and on the way, in bytes.
    package var byteCount: Int {
        256 + name.utf8.count + (status?.message.utf8.count ?? 0) + Self.bytes(attributes)
            + events.reduce(0) { $0 + 64 + $1.name.utf8.count + Self.bytes($1.attributes) }
            + links.reduce(0) { $0 + 96 + Self.bytes($1.attributes) }
    }

    private static func bytes(_ attributes: [Attribute]) -> Int {
        attributes.reduce(0) { $0 + 48 + $1.key.utf8.count + $1.value.byteCount }
    }
}

extension SpanRecord.Value {
    /// About what it takes, in bytes.
    fileprivate var byteCount: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .integer, .number, .flag: 16
        case .list(let values): values.reduce(16) { $0 + 16 + $1.byteCount }
        }
    }
}

/// Text that is cut.
enum Bounded {
    /// The first bytes of a text that are whole characters.
    static func text(_ text: String, _ bytes: Int) -> String {
        if text.utf8.count <= bytes { return text }
        var scalars = String.UnicodeScalarView()
        var count = 0
        for scalar in text.unicodeScalars {
            count += UTF8.width(scalar)
            if count > bytes { break }
            scalars.append(scalar)
        }
        return String(scalars)
    }
}
