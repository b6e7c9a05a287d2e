internal import LedgerClient
internal import TextFormats

/// A line that `list --output json` or `export --format jsonl` has written: a sealed event.
enum EventRecord {
    /// Reads a line. Names that are not known are skipped: a later version may write more.
    static func parse(_ line: [UInt8]) throws(EventLine.Problem) -> SealedEvent {
        let value: StrictJSON
        do throws(JSONFailure) {
            value = try StrictJSON(parsing: line)
        } catch {
            throw EventLine.Problem(
                description: "not valid JSON at byte \(error.offset + 1): \(error.reason)")
        }
        guard case .object(let members) = value else {
            throw EventLine.Problem(description: "not a JSON object")
        }
        let fields = Dictionary(members.map { ($0.name, $0.value) }) { first, _ in first }
        guard let payload = Base64.decode(try text("payload", fields)) else {
            throw EventLine.Problem(description: "payload is not base64")
        }
        return SealedEvent(
            sequenceNumber: try number("sequence_number", fields),
            eventID: try text("event_id", fields), payload: payload,
            eventHash: try text("event_hash", fields),
            previousHash: try text("previous_hash", fields),
            sealedTimestamp: try number("sealed_timestamp", fields),
            vepsSignature: try text("veps_signature", fields),
            vepsTimestamp: try number("veps_timestamp", fields),
            metadata: try metadata(fields),
            submitter: try text("submitter", fields))
    }

    private static func text(
        _ name: String, _ fields: [String: StrictJSON]
    ) throws(EventLine.Problem) -> String {
        guard case .string(let text) = fields[name] else {
            throw EventLine.Problem(description: "\(name) is missing, or no text")
        }
        return text
    }

    private static func number<Value: FixedWidthInteger>(
        _ name: String, _ fields: [String: StrictJSON]
    ) throws(EventLine.Problem) -> Value {
        guard case .number(let digits) = fields[name], let value = Value(digits) else {
            throw EventLine.Problem(description: "\(name) is missing, or no whole number")
        }
        return value
    }

    private static func metadata(
        _ fields: [String: StrictJSON]
    ) throws(EventLine.Problem) -> [String: String] {
        guard case .object(let members) = fields["metadata"] else {
            throw EventLine.Problem(description: "metadata is missing, or no object")
        }
        var metadata: [String: String] = [:]
        for member in members {
            guard case .string(let text) = member.value else {
                throw EventLine.Problem(description: "a value of metadata is no text")
            }
            metadata[member.name] = text
        }
        return metadata
    }
}
