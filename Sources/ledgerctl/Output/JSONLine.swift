internal import Foundation
internal import LedgerClient

/// Writes a value as one line of JSON, with its keys in alphabetical order and in snake case. Keys
/// of dictionaries, such as metadata's, stay as they are.
enum JSONLine {
    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

/// A sealed event with the API's names.
struct SealedEventJSON: Encodable {
    let event: SealedEvent

    /// For submissions: `sealed`, or `duplicate` where it was sealed before.
    var outcome: String?

    private enum CodingKeys: String, CodingKey {
        case sequenceNumber = "sequence_number"
        case eventID = "event_id"
        case payload
        case eventHash = "event_hash"
        case previousHash = "previous_hash"
        case sealedTimestamp = "sealed_timestamp"
        case commitLatency = "commit_latency_ms"
        case vepsSignature = "veps_signature"
        case vepsTimestamp = "veps_timestamp"
        case metadata
        case submitter
        case outcome
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(event.sequenceNumber, forKey: .sequenceNumber)
        try container.encode(event.eventID, forKey: .eventID)
        try container.encode(Data(event.payload), forKey: .payload)
        try container.encode(event.eventHash, forKey: .eventHash)
        try container.encode(event.previousHash, forKey: .previousHash)
        try container.encode(event.sealedTimestamp, forKey: .sealedTimestamp)
        try container.encode(event.commitLatencyMilliseconds, forKey: .commitLatency)
        try container.encode(event.vepsSignature, forKey: .vepsSignature)
        try container.encode(event.vepsTimestamp, forKey: .vepsTimestamp)
        try container.encode(event.metadata, forKey: .metadata)
        try container.encode(event.submitter, forKey: .submitter)
        try container.encodeIfPresent(outcome, forKey: .outcome)
    }
}

/// An error for programs.
struct ErrorJSON: Encodable {
    let error: String
    let sealed: String?
    let message: String
    let status: String?
    let retryAfterMs: Int64?
    let violations: [[String: String]]?
    let differs: [String]?

    init(_ error: LedgerError) {
        self.error = error.name
        sealed = error.sealed?.rawValue
        message = error.description
        status = error.status
        differs = error.differingFields.isEmpty ? nil : error.differingFields
        retryAfterMs = error.retryAfter.map { $0.wholeMilliseconds }
        if case .invalid(let fields) = error.kind, !fields.isEmpty {
            violations = fields.map { ["field": $0.field, "explanation": $0.explanation] }
        } else {
            violations = nil
        }
    }

    private enum CodingKeys: String, CodingKey {
        case error, sealed, message, status, violations, differs
        case retryAfterMs = "retry_after_ms"
    }
}

extension Duration {
    /// Milliseconds, rounded up.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}
