import LedgerCore

/// What callers did and were told, and what stands in the ledger in the end.
struct History {
    struct Submission {
        /// Distinguishes submissions of the same event: it is stored, but is not part of the content.
        var signature: String
        var eventID: String
        var payload: [UInt8]
        var replica: Int
        /// The stream that it came in, in which submissions stand in order.
        var stream: UInt64?
        var submittedAt: Int64
        var answeredAt: Int64?
        var outcome: SubmissionOutcome?
        /// When it had to be answered.
        var dueAt: Int64

        /// What was submitted.
        var event: CertifiedEvent {
            guard
                let event = try? CertifiedEvent(
                    eventID: Array(eventID.utf8), payload: payload,
                    vepsSignature: Array(signature.utf8), vepsTimestamp: 0, metadata: [],
                    submitter: [], limits: EventLimits())
            else { preconditionFailure("an invalid event in a test") }
            return event
        }
    }

    var submissions: [Submission] = []

    /// Every promise that the history breaks, in words; empty for a history that keeps them all.
    func violations(of ledger: [Entry]) -> [String] {
        var broken = chainViolations(ledger)
        let byID = Dictionary(grouping: ledger) {
            String(decoding: $0.event.eventID.utf8, as: UTF8.self)
        }
        for (id, entries) in byID where entries.count > 1 {
            broken.append("\(id) is sealed \(entries.count) times")
        }
        let bySignature = Dictionary(grouping: ledger) {
            String(decoding: $0.event.vepsSignature, as: UTF8.self)
        }
        for submission in submissions {
            broken += violations(
                submission, sealed: bySignature[submission.signature]?.first,
                underID: byID[submission.eventID]?.first, in: ledger)
        }
        return broken + orderViolations() + streamViolations()
    }

    private func chainViolations(_ ledger: [Entry]) -> [String] {
        var broken: [String] = []
        var previous = EventHash.zero
        var timestamp = Int64.min
        for (offset, entry) in ledger.enumerated() {
            if entry.sequenceNumber.rawValue != UInt64(offset + 1) {
                broken.append("number \(entry.sequenceNumber) stands at place \(offset + 1)")
            }
            if entry.previousHash != previous {
                broken.append("number \(entry.sequenceNumber) does not link")
            }
            if entry.sealedTimestamp < timestamp {
                broken.append("number \(entry.sequenceNumber) was sealed before its predecessor")
            }
            previous = Digest.sha256(entry.encoded())
            timestamp = entry.sealedTimestamp
        }
        return broken
    }

    private func violations(
        _ submission: Submission, sealed: Entry?, underID: Entry?, in ledger: [Entry]
    ) -> [String] {
        let name = "\(submission.signature) of \(submission.eventID)"
        guard let outcome = submission.outcome, let answeredAt = submission.answeredAt else {
            return ["\(name) was never answered"]
        }
        var broken: [String] = []
        if answeredAt > submission.dueAt {
            broken.append("\(name) was answered \(answeredAt - submission.dueAt) ns too late")
        }
        switch outcome {
        case .sealed(let seal, _):
            let place = Int(seal.sequenceNumber.rawValue) - 1
            guard ledger.indices.contains(place),
                Digest.sha256(ledger[place].encoded()) == seal.eventHash,
                ledger[place].event.payload == submission.payload, underID == ledger[place]
            else {
                return broken + [
                    "\(name) was acknowledged as \(seal.sequenceNumber), which it is not"
                ]
            }
            // Sealed by an attempt of this very submission, or it had been sealed before.
            if sealed?.sequenceNumber != seal.sequenceNumber {
                broken.append("\(name) was acknowledged, but another submission had it sealed")
            }
        case .duplicate(let original):
            if underID != original.entry || original.entry.event.payload != submission.payload {
                broken.append("\(name) is no duplicate of \(original.entry.sequenceNumber)")
            }
            // Unless its number would not ascend in its stream (protocol.md 21).
            if let sealed, !isOvertaken(submission, sealed.sequenceNumber) {
                broken.append("\(name) was sealed and called a duplicate")
            }
        case .conflicting(let number, let differs):
            // The submissions of a simulation differ in nothing but the payload.
            if underID?.sequenceNumber != number || underID?.event.payload == submission.payload
                || differs != .payload
            {
                broken.append("\(name) does not conflict with \(number) in \(differs.names)")
            }
        case .notSealed(let reason):
            if let sealed {
                broken.append(
                    "\(name) is \(sealed.sequenceNumber), but was certainly not sealed: \(reason)")
            }
        case .unknown:
            break
        }
        return broken
    }

    /// Whether an earlier event of its stream was acknowledged with a higher number.
    private func isOvertaken(_ submission: Submission, _ number: SequenceNumber) -> Bool {
        guard let stream = submission.stream else { return false }
        let before = submissions.prefix { $0.signature != submission.signature }
        return before.contains { earlier in
            guard earlier.stream == stream, case .sealed(let seal, _) = earlier.outcome else {
                return false
            }
            return seal.sequenceNumber > number
        }
    }

    /// Within a stream answers come in the order of submission, and numbers answered as sealed ascend (protocol.md
    /// 21).
    private func streamViolations() -> [String] {
        var broken: [String] = []
        var highest: [UInt64: SequenceNumber] = [:]
        var latest: [UInt64: Int64] = [:]
        for submission in submissions {
            guard let stream = submission.stream else { continue }
            if let at = submission.answeredAt {
                if at < latest[stream, default: .min] {
                    broken.append("\(submission.signature) was answered before its predecessor")
                }
                latest[stream] = max(at, latest[stream, default: .min])
            }
            guard case .sealed(let seal, _) = submission.outcome else { continue }
            if seal.sequenceNumber <= highest[stream, default: .zero] {
                broken.append(
                    "\(submission.signature) is \(seal.sequenceNumber) after a higher number")
            }
            highest[stream] = max(seal.sequenceNumber, highest[stream, default: .zero])
        }
        return broken
    }

    /// An event submitted after another was acknowledged has the higher number.
    private func orderViolations() -> [String] {
        struct Acknowledged {
            var number: UInt64
            var submittedAt: Int64
            var answeredAt: Int64
        }
        let acknowledged = submissions.compactMap { submission -> Acknowledged? in
            guard case .sealed(let seal, _) = submission.outcome, let at = submission.answeredAt
            else { return nil }
            return Acknowledged(
                number: seal.sequenceNumber.rawValue, submittedAt: submission.submittedAt,
                answeredAt: at)
        }
        var broken: [String] = []
        let byAnswer = acknowledged.sorted { $0.answeredAt < $1.answeredAt }
        var highest: UInt64 = 0
        var next = 0
        for one in acknowledged.sorted(by: { $0.submittedAt < $1.submittedAt }) {
            while next < byAnswer.count, byAnswer[next].answeredAt < one.submittedAt {
                highest = max(highest, byAnswer[next].number)
                next += 1
            }
            if one.number < highest {
                broken.append("\(one.number) was submitted after \(highest) had been acknowledged")
            }
        }
        return broken
    }
}
