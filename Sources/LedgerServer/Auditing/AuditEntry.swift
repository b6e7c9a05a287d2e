package import Foundation
package import Logging

/// One line of the audit log: who submitted what, and how that ended. No payload, no signature.
package struct AuditEntry: Sendable {
    /// So many bytes of an id, and of a name, are written; of an event that was refused both may be of any length.
    static let maxTextBytes = 512

    /// When it ended.
    package var date: Date
    /// The submitter as it is sealed; empty without a client certificate.
    package var submitter: String
    /// The caller's address.
    package var address: String
    /// Empty where the message was none, or its sender may not submit.
    package var eventID: String
    package var outcome: SubmissionOutcomeLabel
    /// The number of the sealed event, also of a duplicate's or a conflicting one's original.
    package var sequenceNumber: UInt64?
    /// From receipt to commit, in milliseconds rounded up; of a sealed event.
    package var latencyMilliseconds: Int64?
    /// The reason that the caller was told, where it was not sealed.
    package var reason: String?
    package var call: CallOrigin?

    /// The same for a line of the log.
    package var metadata: Logger.Metadata {
        var metadata = call?.metadata ?? [:]
        metadata["event_id"] = "\(Self.cut(eventID))"
        metadata["outcome"] = "\(outcome.rawValue)"
        metadata["submitter"] = "\(Self.cut(submitter))"
        if let sequenceNumber { metadata["sequence_number"] = "\(sequenceNumber)" }
        if let latencyMilliseconds { metadata["latency_ms"] = "\(latencyMilliseconds)" }
        if let reason { metadata["reason"] = "\(reason)" }
        return metadata
    }

    /// A JSON object.
    var line: String {
        var members = [
            ("timestamp", JSONText.quoted(Timestamp.rfc3339(date))),
            ("outcome", JSONText.quoted(outcome.rawValue)),
            ("event_id", Self.text(eventID)),
            ("submitter", Self.text(submitter)),
            ("address", Self.text(address)),
        ]
        if let sequenceNumber { members.append(("sequence_number", "\(sequenceNumber)")) }
        if let latencyMilliseconds { members.append(("latency_ms", "\(latencyMilliseconds)")) }
        if let reason { members.append(("reason", Self.text(reason))) }
        if let call {
            members.append(("request_id", Self.text(call.requestID)))
            if let trace = call.trace { members.append(("trace_id", Self.text(trace.traceID))) }
        }
        return "{" + members.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }

    private static func text(_ text: String) -> String { JSONText.quoted(cut(text)) }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > maxTextBytes else { return text }
        return String(decoding: text.utf8.prefix(maxTextBytes), as: UTF8.self)
    }
}
