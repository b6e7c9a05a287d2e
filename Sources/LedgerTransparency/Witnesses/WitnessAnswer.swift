import HTTPTransport
import LedgerCore

/// What a witness's answer means; pure.
enum WitnessAnswer: Hashable, Sendable {
    case cosigned(Cosignature)
    /// What the witness has cosigned of this ledger.
    case conflict(size: UInt64)
    /// Nothing that a new request could mend at once.
    case failed(WitnessResult)

    /// - Parameters:
    ///   - note: what was sent.
    ///   - now: seconds since 1970.
    init(
        _ answer: HTTPAnswer, to note: SignedNote, by verifier: CosignatureVerifier,
        now: UInt64, clockDifference: Duration
    ) {
        switch answer.status {
        case 200:
            self = Self.cosignature(answer.body, note, verifier, now, clockDifference)
        case 409:
            self =
                if let size = Self.size(answer) { .conflict(size: size) } else {
                    .failed(.malformed)
                }
        case 400: self = .failed(.refused)
        case 403: self = .failed(.unknownKey)
        case 404: self = .failed(.unknownLog)
        case 422: self = .failed(.inconsistent)
        case 429, 500...599: self = .failed(.unavailable)
        default: self = .failed(.malformed)
        }
    }

    init(_ failure: TransferFailure) {
        switch failure.kind {
        case .timeout: self = .failed(.timeout)
        case .answerTooLong: self = .failed(.malformed)
        case .tls, .connect, .connectionLost, .noMemory, .cancelled, .shutDown, .malformedRequest:
            self = .failed(.unreachable)
        }
    }

    /// The lines below the text that was sent, as the specification proposes to read them.
    private static func cosignature(
        _ body: [UInt8], _ note: SignedNote, _ verifier: CosignatureVerifier, _ now: UInt64,
        _ clockDifference: Duration
    ) -> WitnessAnswer {
        let text = note.text + [UInt8(ascii: "\n")] + body
        guard let answered = try? SignedNote(parsing: text), answered.text == note.text else {
            return .failed(.malformed)
        }
        guard let cosignature = try? verifier.cosignature(of: answered) else {
            return .failed(.badCosignature)
        }
        let (early, late) = (
            cosignature.timestamp < now ? now - cosignature.timestamp : 0,
            cosignature.timestamp > now ? cosignature.timestamp - now : 0
        )
        guard max(early, late) <= UInt64(clockDifference.components.seconds) else {
            return .failed(.badCosignature)
        }
        return .cosigned(cosignature)
    }

    /// A size in decimal with its newline, of the type that says so.
    private static func size(_ answer: HTTPAnswer) -> UInt64? {
        let type = answer.value(of: "content-type")?.split(separator: ";").first
        guard type == "text/x.tlog.size", answer.body.last == UInt8(ascii: "\n") else { return nil }
        return DecimalText.canonical(answer.body.dropLast())
    }
}
