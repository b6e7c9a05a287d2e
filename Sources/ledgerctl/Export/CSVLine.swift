internal import Foundation
internal import LedgerClient

/// A sealed event as a line of CSV (RFC 4180): fields between commas, text in quotes, CR LF at the end.
///
/// Spreadsheets run text that begins like a formula. So a text field that begins with `=`, `+`, `-`, `@`, a tab, CR, LF,
/// the wide forms of the four signs, or with an apostrophe, has one apostrophe more at its beginning: drop one where there
/// is one, and the field is what it was. Numbers and hashes stand as they are.
enum CSVLine {
    /// The first line.
    static let header =
        "sequence_number,event_id,payload_base64,veps_signature,veps_timestamp,metadata,"
        + "submitter,sealed_timestamp,previous_hash,event_hash\r\n"

    /// The line of an event; its metadata are a JSON object.
    static func encode(_ event: SealedEvent) throws -> String {
        let fields = [
            "\(event.sequenceNumber)",
            text(event.eventID),
            text(Data(event.payload).base64EncodedString()),
            text(event.vepsSignature),
            "\(event.vepsTimestamp)",
            text(try JSONLine.encode(event.metadata)),
            text(event.submitter),
            "\(event.sealedTimestamp)",
            event.previousHash,
            event.eventHash,
        ]
        return fields.joined(separator: ",") + "\r\n"
    }

    private static let dangerous: Set<Unicode.Scalar> = [
        "=", "+", "-", "@", "\t", "\r", "\n", "'", "\u{FF1D}", "\u{FF0B}", "\u{FF0D}", "\u{FF20}",
    ]

    /// A field of text, in quotes.
    static func text(_ value: String) -> String {
        let isDangerous = value.unicodeScalars.first.map(dangerous.contains) ?? false
        var field = isDangerous ? "\"'" : "\""
        // By scalars: a quote and a combining mark after it are one character.
        for scalar in value.unicodeScalars {
            if scalar == "\"" { field.unicodeScalars.append("\"") }
            field.unicodeScalars.append(scalar)
        }
        field.unicodeScalars.append("\"")
        return field
    }
}
