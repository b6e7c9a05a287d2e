/// What became of one event of a stream.
public struct SubmissionResult: Sendable {
    /// The event's place in the stream, from 0.
    public var index: Int

    /// The event's id.
    public var eventID: String

    /// The sealed event, or why there is none.
    public var result: Result<SealedEvent, LedgerError>

    /// How many attempts it took.
    public var attempts: Int

    /// Creates a result.
    public init(
        index: Int, eventID: String, result: Result<SealedEvent, LedgerError>, attempts: Int
    ) {
        self.index = index
        self.eventID = eventID
        self.result = result
        self.attempts = attempts
    }
}
