/// An event to be sealed: what its certifier says, before it has a number.
public struct CertifiedEvent: Sendable, Hashable {
    /// The caller's name of the event, 1...256 bytes of UTF-8. It is sealed at most once, for ever;
    /// compared byte by byte, without Unicode normalisation.
    public var eventID: String

    /// The content; at most 49,152 bytes unless the service is configured otherwise.
    public var payload: [UInt8]

    /// The certifier's signature, 0...1,024 bytes.
    public var vepsSignature: String

    /// When the event was certified, in milliseconds since 1970. It is part of the content: keep it
    /// when the event is submitted again.
    public var vepsTimestamp: Int64

    /// At most 32 entries; a key has 1...128 bytes of printable ASCII, a value 0...1,024 bytes.
    public var metadata: [String: String]

    /// Creates an event.
    public init(
        eventID: String, payload: [UInt8], vepsSignature: String = "", vepsTimestamp: Int64,
        metadata: [String: String] = [:]
    ) {
        self.eventID = eventID
        self.payload = payload
        self.vepsSignature = vepsSignature
        self.vepsTimestamp = vepsTimestamp
        self.metadata = metadata
    }
}
