internal import LedgerClient

/// Writes sealed events for people.
enum EventText {
    /// All of an event, a field a line.
    static func details(_ event: SealedEvent) -> String {
        var fields: [(String, String)] = [
            ("number", "\(event.sequenceNumber)"),
            ("event id", Printable.escape(event.eventID)),
            ("payload", "\(Printable.preview(event.payload)) (\(byteCount(event.payload.count)))"),
        ]
        for (key, value) in event.metadata.sorted(by: { $0.key < $1.key }) {
            fields.append(("metadata", "\(Printable.escape(key)) = \(Printable.escape(value))"))
        }
        if !event.vepsSignature.isEmpty {
            fields.append(("signature", Printable.escape(event.vepsSignature)))
        }
        fields.append(("certified", Printable.timestamp(event.vepsTimestamp)))
        fields.append(("sealed", Printable.timestamp(event.sealedTimestamp)))
        if event.commitLatencyMilliseconds > 0 {
            fields.append(("commit latency", "\(event.commitLatencyMilliseconds) ms"))
        }
        if !event.submitter.isEmpty {
            fields.append(("submitter", Printable.escape(event.submitter)))
        }
        fields.append(("previous hash", event.previousHash))
        fields.append(("event hash", event.eventHash + (event.hasValidHash ? " (checked)" : "")))
        return table(fields)
    }

    /// An event on one line.
    static func line(_ event: SealedEvent) -> String {
        let number = pad(left: "\(event.sequenceNumber)", to: 10)
        let id = pad(right: Printable.escape(event.eventID), to: 24)
        let payload = Printable.preview(event.payload, limit: 40)
        return "\(number)  \(Printable.timestamp(event.sealedTimestamp))  \(id)  \(payload)"
    }

    /// Names and values in two columns.
    static func table(_ fields: [(String, String)]) -> String {
        let width = fields.map(\.0.count).max() ?? 0
        return fields.map { pad(right: $0.0, to: width) + "  " + $0.1 }.joined(separator: "\n")
    }

    static func pad(left text: String, to width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    static func pad(right text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func byteCount(_ count: Int) -> String {
        count == 1 ? "1 byte" : "\(count) bytes"
    }
}
