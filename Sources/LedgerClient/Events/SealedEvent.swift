/// An event with its definitive number and its place in the hash chain.
public struct SealedEvent: Sendable, Hashable {
    /// The number: 1, 2, 3, ... without gap or repetition.
    public var sequenceNumber: UInt64

    /// The caller's name of the event.
    public var eventID: String

    /// The content, as it was submitted.
    public var payload: [UInt8]

    /// SHA-256 of the event's canonical bytes, 64 lower-case hexadecimal digits.
    public var eventHash: String

    /// ``eventHash`` of the event before it; 64 zeros for the first event.
    public var previousHash: String

    /// When it was sealed, in milliseconds since 1970; never below the event before it.
    public var sealedTimestamp: Int64

    /// Milliseconds from receipt to commit, rounded up; 0 where the event was read, not sealed.
    public var commitLatencyMilliseconds: Int64

    /// The certifier's signature.
    public var vepsSignature: String

    /// When the event was certified, in milliseconds since 1970.
    public var vepsTimestamp: Int64

    /// The caller's metadata.
    public var metadata: [String: String]

    /// The authenticated identity of who submitted it; empty where there was none.
    public var submitter: String

    /// Creates a value; events come from the service, so this is for tests and for stored copies.
    public init(
        sequenceNumber: UInt64, eventID: String, payload: [UInt8], eventHash: String,
        previousHash: String, sealedTimestamp: Int64, commitLatencyMilliseconds: Int64 = 0,
        vepsSignature: String = "", vepsTimestamp: Int64 = 0, metadata: [String: String] = [:],
        submitter: String = ""
    ) {
        self.sequenceNumber = sequenceNumber
        self.eventID = eventID
        self.payload = payload
        self.eventHash = eventHash
        self.previousHash = previousHash
        self.sealedTimestamp = sealedTimestamp
        self.commitLatencyMilliseconds = commitLatencyMilliseconds
        self.vepsSignature = vepsSignature
        self.vepsTimestamp = vepsTimestamp
        self.metadata = metadata
        self.submitter = submitter
    }

    /// Whether this is what `event` says: id, payload, timestamp and metadata are equal as bytes.
    /// The signature may differ between honest retries.
    public func hasSameContent(as event: CertifiedEvent) -> Bool {
        eventID.utf8.elementsEqual(event.eventID.utf8)
            && vepsTimestamp == event.vepsTimestamp
            && payload == event.payload
            && Self.sameBytes(metadata, event.metadata)
    }

    /// `==` of strings follows Unicode equivalence; the ledger compares bytes.
    private static func sameBytes(_ left: [String: String], _ right: [String: String]) -> Bool {
        left.count == right.count
            && left.allSatisfy { key, value in
                right[key].map { $0.utf8.elementsEqual(value.utf8) } ?? false
            }
    }
}
