internal import LedgerClient
internal import TextFormats

/// One line of a JSON Lines file: an event to be submitted.
///
/// Whatever is sealed is sealed for ever, so a line that two programs could read differently is refused.
enum EventLine {
    /// What is wrong with a line.
    struct Problem: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    private enum Field: String, CaseIterable {
        case eventID = "event_id"
        case payload
        case payloadBase64 = "payload_base64"
        case vepsSignature = "veps_signature"
        case vepsTimestamp = "veps_timestamp"
        case metadata
    }

    /// Reads a line.
    ///
    /// - Parameters:
    ///   - line: One JSON object.
    ///   - defaultTimestamp: The timestamp of events that name none; nil where they must.
    static func parse(
        _ line: [UInt8], defaultTimestamp: Int64?
    ) throws(Problem) -> CertifiedEvent {
        let fields = try fields(line)
        guard let eventID = try text(.eventID, fields) else {
            throw Problem(description: "event_id is missing")
        }
        let payload = try payload(fields)
        let signature = try text(.vepsSignature, fields) ?? ""
        let metadata = try metadata(fields)
        guard let timestamp = try timestamp(fields) ?? defaultTimestamp else {
            throw Problem(
                description: "veps_timestamp is missing; it belongs to the event's content. "
                    + "--timestamp gives one to all lines without it")
        }
        return CertifiedEvent(
            eventID: eventID, payload: payload, vepsSignature: signature,
            vepsTimestamp: timestamp, metadata: metadata)
    }

    /// The fields of the line's object; null stands for a field that is not there, as in protobuf's JSON.
    private static func fields(_ line: [UInt8]) throws(Problem) -> [Field: StrictJSON] {
        let value: StrictJSON
        do throws(JSONFailure) {
            value = try StrictJSON(parsing: line)
        } catch {
            throw Problem(
                description: "not valid JSON at byte \(error.offset + 1): \(error.reason)")
        }
        guard case .object(let members) = value else {
            throw Problem(description: "not a JSON object")
        }
        var fields: [Field: StrictJSON] = [:]
        for member in members {
            // A misspelt name would otherwise seal an event without the content that was meant.
            guard let field = Field.allCases.first(where: { $0.rawValue == member.name }) else {
                throw Problem(description: "unknown field \"\(member.name)\"")
            }
            if member.value != .null { fields[field] = member.value }
        }
        return fields
    }

    private static func payload(_ fields: [Field: StrictJSON]) throws(Problem) -> [UInt8] {
        switch (try text(.payload, fields), try text(.payloadBase64, fields)) {
        case (let text?, nil): return Array(text.utf8)
        case (nil, let base64?):
            guard let bytes = Base64.decode(base64) else {
                throw Problem(
                    description: "payload_base64 is not base64 of whole bytes with its padding "
                        + "(RFC 4648, section 4)")
            }
            return bytes
        case (nil, nil): throw Problem(description: "payload or payload_base64 is missing")
        case (_?, _?):
            throw Problem(description: "payload and payload_base64 exclude each other")
        }
    }

    /// Digits only: 1e3, 1.0 and -0 are integers to some programs and none to others.
    private static func timestamp(_ fields: [Field: StrictJSON]) throws(Problem) -> Int64? {
        guard let value = fields[.vepsTimestamp] else { return nil }
        guard case .number(let digits) = value, digits != "-0", let number = Int64(digits) else {
            throw Problem(
                description: "veps_timestamp is not a whole number of milliseconds in digits, "
                    + "or a number that does not fit in 64 bits")
        }
        return number
    }

    private static func metadata(_ fields: [Field: StrictJSON]) throws(Problem) -> [String: String]
    {
        guard let value = fields[.metadata] else { return [:] }
        guard case .object(let members) = value else {
            throw Problem(description: "metadata has the wrong type")
        }
        var metadata: [String: String] = [:]
        for member in members {
            guard case .string(let text) = member.value else {
                throw Problem(description: "metadata.\(member.name) has the wrong type")
            }
            metadata[member.name] = text
        }
        return metadata
    }

    private static func text(
        _ field: Field, _ fields: [Field: StrictJSON]
    ) throws(Problem) -> String? {
        guard let value = fields[field] else { return nil }
        guard case .string(let text) = value else {
            throw Problem(description: "\(field.rawValue) has the wrong type")
        }
        return text
    }
}
