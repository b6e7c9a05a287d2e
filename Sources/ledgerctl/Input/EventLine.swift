internal import Foundation
internal import LedgerClient

/// One line of a JSON Lines file: an event to be submitted.
struct EventLine: Decodable, Equatable {
    let eventID: String
    let payload: [UInt8]
    let vepsSignature: String
    let vepsTimestamp: Int64?
    let metadata: [String: String]

    /// What is wrong with a line.
    struct Problem: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case eventID = "event_id"
        case payload
        case payloadBase64 = "payload_base64"
        case vepsSignature = "veps_signature"
        case vepsTimestamp = "veps_timestamp"
        case metadata
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        // A misspelt name would otherwise seal an event without the content that was meant.
        let known = Set(CodingKeys.allCases.map(\.rawValue))
        let names = try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue)
        if let unknown = names.sorted().first(where: { !known.contains($0) }) {
            throw Problem(description: "unknown field \"\(unknown)\"")
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        eventID = try container.decode(String.self, forKey: .eventID)
        let text = try container.decodeIfPresent(String.self, forKey: .payload)
        let base64 = try container.decodeIfPresent(String.self, forKey: .payloadBase64)
        switch (text, base64) {
        case (let text?, nil):
            payload = Array(text.utf8)
        case (nil, let base64?):
            guard let data = Data(base64Encoded: base64) else {
                throw Problem(description: "payload_base64 is not base64")
            }
            payload = Array(data)
        case (nil, nil):
            throw Problem(description: "payload or payload_base64 is missing")
        case (_?, _?):
            throw Problem(description: "payload and payload_base64 exclude each other")
        }
        vepsSignature = try container.decodeIfPresent(String.self, forKey: .vepsSignature) ?? ""
        vepsTimestamp = try container.decodeIfPresent(Int64.self, forKey: .vepsTimestamp)
        metadata = try container.decodeIfPresent([String: String].self, forKey: .metadata) ?? [:]
    }

    /// Reads a line.
    ///
    /// - Parameters:
    ///   - line: One JSON object.
    ///   - defaultTimestamp: The timestamp of events that name none; nil where they must.
    static func parse(
        _ line: [UInt8], defaultTimestamp: Int64?
    ) throws(Problem) -> CertifiedEvent {
        do {
            let parsed = try JSONDecoder().decode(EventLine.self, from: Data(line))
            guard let timestamp = parsed.vepsTimestamp ?? defaultTimestamp else {
                throw Problem(
                    description: "veps_timestamp is missing; it belongs to the event's content. "
                        + "--timestamp gives one to all lines without it")
            }
            return CertifiedEvent(
                eventID: parsed.eventID, payload: parsed.payload,
                vepsSignature: parsed.vepsSignature, vepsTimestamp: timestamp,
                metadata: parsed.metadata)
        } catch let problem as Problem {
            throw problem
        } catch let error as DecodingError {
            throw Problem(description: explain(error))
        } catch {
            throw Problem(description: "not a JSON object")
        }
    }

    private static func explain(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, _):
            return "\(key.stringValue) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? "not a JSON object" : "\(path) has the wrong type"
        case .dataCorrupted(let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            let problem = "not valid JSON, or a number that does not fit"
            return path.isEmpty ? problem : "\(path) is not valid"
        @unknown default:
            return "not valid"
        }
    }
}
