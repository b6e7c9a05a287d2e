package import GRPCCore
package import LedgerAPI

/// What a caller knows of one submission (design.md, "Outcomes").
package enum CallAnswer: Sendable, CustomStringConvertible {
    /// OK.
    case sealed(Ledger_SealedEvent)
    /// Sealed before, with the same content; the original where it was sent along.
    case duplicate(Ledger_SealedEvent?)
    /// The id is taken by another content.
    case conflicting
    /// This submission never will be sealed.
    case notSealed(RPCError.Code, reason: String)
    /// Everything else, as long as nobody knows better.
    case unknown(RPCError.Code, reason: String?)

    package init(_ failure: CallFailure) {
        self.init(code: failure.code, reason: failure.reason, original: failure.original)
    }

    package init(_ result: Ledger_SubmitResult) {
        switch result.result {
        case .sealed(let event): self = .sealed(event)
        case .rejection(let rejection):
            self.init(
                code: Status.Code(rawValue: Int(rejection.code)).flatMap { RPCError.Code($0) }
                    ?? .unknown,
                reason: rejection.reason,
                original: rejection.hasOriginal ? rejection.original : nil)
        case nil: self = .unknown(.unknown, reason: nil)
        }
    }

    private init(code: RPCError.Code, reason: String?, original: Ledger_SealedEvent?) {
        switch (code, reason) {
        case (.alreadyExists, "DUPLICATE_EVENT"): self = .duplicate(original)
        case (.alreadyExists, "CONFLICTING_EVENT"): self = .conflicting
        case (.deadlineExceeded, "OUTCOME_UNKNOWN"):
            self = .unknown(code, reason: reason)
        case (.invalidArgument, "INVALID_EVENT"), (.resourceExhausted, "OVERLOADED"),
            (.resourceExhausted, "STORAGE_FULL"), (.unavailable, "NOT_SEALED"),
            (.deadlineExceeded, "NOT_SEALED"), (.failedPrecondition, "LEDGER_ROLLED_BACK"),
            (.unauthenticated, "NOT_AUTHENTICATED"), (.permissionDenied, "NOT_ALLOWED"),
            (.permissionDenied, "BAD_SIGNATURE"):
            self = .notSealed(code, reason: reason ?? "")
        default: self = .unknown(code, reason: reason)
        }
    }

    /// The sealed event, where the answer proves one.
    package var event: Ledger_SealedEvent? {
        switch self {
        case .sealed(let event), .duplicate(let event?): event
        default: nil
        }
    }

    /// Whether the event is certainly in the ledger.
    package var isProofOfSealing: Bool {
        switch self {
        case .sealed, .duplicate: true
        default: false
        }
    }

    package var isSealed: Bool {
        if case .sealed = self { true } else { false }
    }

    package var isDuplicate: Bool {
        if case .duplicate = self { true } else { false }
    }

    package var isNotSealed: Bool {
        if case .notSealed = self { true } else { false }
    }

    package var isUnknown: Bool {
        if case .unknown = self { true } else { false }
    }

    package var description: String {
        switch self {
        case .sealed(let event): "sealed as \(event.sequenceNumber)"
        case .duplicate(let event): "duplicate of \(event?.sequenceNumber ?? 0)"
        case .conflicting: "conflicting"
        case .notSealed(let code, let reason): "not sealed: \(code)/\(reason)"
        case .unknown(let code, let reason): "unknown: \(code)/\(reason ?? "no reason")"
        }
    }
}
