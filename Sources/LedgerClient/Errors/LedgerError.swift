/// Why a call failed, whether the event was sealed, and what to do now.
///
/// Only ``sealed`` says whether an event is in the ledger; never conclude it from a status code.
public struct LedgerError: Error, Sendable {
    /// What happened.
    public enum Kind: Sendable, Hashable {
        /// The event breaks a rule; the fields say which.
        case invalid(violations: [FieldViolation])
        /// The same event was sealed by an earlier submission: this one.
        case duplicate(original: SealedEvent)
        /// Another event, with other content, is sealed under this id.
        case conflicting
        /// The service has more work than it can seal in time.
        case overloaded
        /// The store is full; somebody must make room.
        case storageFull
        /// The service could not seal the event in time, or at all just now.
        case notSealed
        /// No definite answer came. Submit the same event again.
        case outcomeUnknown
        /// The caller did not say who it is.
        case notAuthenticated
        /// The caller may not do this.
        case notAllowed
        /// The event's signature does not verify.
        case badSignature
        /// The store went back to an earlier state; an operator must decide.
        case rolledBack
        /// There is no such event.
        case notFound
        /// The range lies beyond the last event.
        case outOfRange
        /// The bytes that came back contradict their hash, or what was asked for.
        case corrupt
        /// The newest checkpoint does not cover the event yet.
        case notYetCovered
        /// The service has no signing key, so there are no checkpoints.
        case noSigningKey
        /// The service could not be reached, or cannot answer just now.
        case unavailable
        /// The answer to a read did not come in time.
        case timedOut
        /// The calling task was cancelled.
        case cancelled
        /// The client's settings cannot be used.
        case configuration
        /// Anything else; the message says what.
        case unexpected
    }

    /// What happened.
    public var kind: Kind

    /// Whether the event is sealed; nil where the call was no submission.
    public var sealed: SealedState?

    /// What happened, in a sentence for people.
    public var message: String

    /// How long the service asks to wait before the next attempt.
    public var retryAfter: Duration?

    /// The gRPC status, such as `UNAVAILABLE`; nil where the failure is not one.
    public var status: String?

    /// For a conflict, the names of the fields that differ from what is sealed under the id: `payload`,
    /// `veps_timestamp`, `metadata`. Empty where the service did not say.
    public var differingFields: [String] = []

    /// The error below this one.
    public var cause: (any Error)?

    /// Whether the service wrote the message: it then says by itself what became of the event and
    /// what to do.
    package var isFromService = false

    /// Creates an error.
    public init(
        _ kind: Kind, sealed: SealedState?, message: String, retryAfter: Duration? = nil,
        status: String? = nil, cause: (any Error)? = nil
    ) {
        self.kind = kind
        self.sealed = sealed
        self.message = message
        self.retryAfter = retryAfter
        self.status = status
        self.cause = cause
    }
}

extension LedgerError {
    /// The kind's stable name, such as `outcome_unknown`; without the values of the kind.
    public var name: String {
        switch kind {
        case .invalid: "invalid"
        case .duplicate: "duplicate"
        case .conflicting: "conflicting"
        case .overloaded: "overloaded"
        case .storageFull: "storage_full"
        case .notSealed: "not_sealed"
        case .outcomeUnknown: "outcome_unknown"
        case .notAuthenticated: "not_authenticated"
        case .notAllowed: "not_allowed"
        case .badSignature: "bad_signature"
        case .rolledBack: "rolled_back"
        case .notFound: "not_found"
        case .outOfRange: "out_of_range"
        case .corrupt: "corrupt"
        case .notYetCovered: "not_yet_covered"
        case .noSigningKey: "no_signing_key"
        case .unavailable: "unavailable"
        case .timedOut: "timed_out"
        case .cancelled: "cancelled"
        case .configuration: "configuration"
        case .unexpected: "unexpected"
        }
    }

    /// What to do now, in a sentence for people.
    public var advice: String {
        if sealed == .unknown, kind != .corrupt {
            return "Submit the same event again, with the same id: it is never sealed twice."
        }
        switch kind {
        case .invalid: return "Correct the event and submit it again."
        case .duplicate: return "Nothing to do: it is sealed."
        case .conflicting:
            return "Read what is sealed under this id, or submit the event under another id."
        case .overloaded: return "Submit it again, a little later."
        case .storageFull: return "Ask the operator to make room in the store, then submit again."
        case .notSealed: return "Submit it again, or allow more time for it."
        case .notAuthenticated: return "Give a client certificate that the service accepts."
        case .notAllowed: return "Ask the operator to allow this caller."
        case .badSignature: return "Sign the event with a key that the service knows."
        case .rolledBack: return "Ask the operator: the ledger does not seal until they decide."
        case .notFound: return "Check the number or the id."
        case .outOfRange: return "Ask for a range that ends at or before the last event."
        case .corrupt: return "Do not rely on the answer; tell the operator."
        case .notYetCovered: return "Ask again in two seconds."
        case .noSigningKey: return "Ask the operator to configure a signing key."
        case .unavailable: return "Check that the service is running and reachable, then try again."
        case .timedOut: return "Try again."
        case .outcomeUnknown, .cancelled, .unexpected: return "Try again if it is still wanted."
        case .configuration: return "Correct the setting."
        }
    }
}

extension LedgerError: CustomStringConvertible {
    /// What happened, whether the event was sealed, and what to do now.
    public var description: String {
        if isFromService, !message.isEmpty { return message }
        var text = message.last.map { ".!?".contains($0) } == true ? message : message + "."
        switch sealed {
        case .yes: text += " The event is sealed."
        case .no: text += " The event was not sealed."
        case .unknown: text += " Whether the event was sealed is unknown."
        case nil: break
        }
        return text + " " + advice
    }
}
