/// A field of a request that the service refused, and why.
public struct FieldViolation: Sendable, Hashable {
    /// The field's name, such as `event_id`.
    public var field: String

    /// What is wrong with it.
    public var explanation: String

    /// Creates a violation.
    public init(field: String, explanation: String) {
        self.field = field
        self.explanation = explanation
    }
}
