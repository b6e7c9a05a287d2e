import GRPCCore
import LedgerAPI

extension LedgerRPCError {
    /// A field of a request, other than a submitted event's, that breaks a rule.
    package static func invalidArgument(field: String, _ description: String) -> Self {
        Self(
            .invalidArgument, .invalidArgument, "\(field): \(description)",
            fieldViolations: [FieldViolation(field: field, description: description)])
    }

    /// A submitted event that breaks a rule of its fields: it was not sealed.
    package static func invalidEvent(field: String, _ description: String) -> Self {
        Self(
            .invalidArgument, .invalidEvent,
            "\(field): \(description); the event was not sealed",
            fieldViolations: [FieldViolation(field: field, description: description)])
    }

    /// Something that was asked for and does not exist.
    package static func notFound(_ message: String) -> Self {
        Self(.notFound, .notFound, message)
    }

    /// A range that ends beyond the head.
    package static func outOfRange(_ message: String) -> Self {
        Self(.outOfRange, .outOfRange, message)
    }

    /// A read that cannot be answered now.
    package static func unavailable(
        _ message: String, retryAfter delay: Duration? = nil
    ) -> Self {
        Self(.unavailable, .unavailable, message, retryDelay: delay)
    }

    /// A read that nobody waits for any more.
    static var readCancelled: Self { .unavailable("the read was cancelled") }

    /// Stored bytes that contradict each other.
    package static func corrupt(_ message: String) -> Self {
        Self(.dataLoss, .corrupt, message)
    }

    /// The replica is shutting down; another one, or this one later, will answer.
    package static func stopping(_ message: String = "the replica is stopping") -> Self {
        Self(.unavailable, .stopping, message, retryDelay: .milliseconds(100))
    }
}
