import Foundation
import Logging

/// One line of the log, before it is written.
struct LogLine {
    let date: Date
    let level: Logger.Level
    let label: String
    let message: String
    let metadata: Logger.Metadata

    /// `timestamp LEVEL label: message key=value ...`, always one line.
    var text: String {
        var line = "\(Timestamp.rfc3339(date)) \(level.rawValue.uppercased()) \(label): "
        line += Self.oneLine(message)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += " \(Self.oneLine(key))=\(Self.textValue(value))"
        }
        return line
    }

    /// An object with `timestamp`, `level`, `logger`, `message`, and `metadata` where there is any.
    var json: String {
        var line = "{\"timestamp\":\(JSONText.quoted(Timestamp.rfc3339(date)))"
        line += ",\"level\":\(JSONText.quoted(level.rawValue))"
        line += ",\"logger\":\(JSONText.quoted(label))"
        line += ",\"message\":\(JSONText.quoted(message))"
        if !metadata.isEmpty {
            line += ",\"metadata\":\(Self.jsonValue(.dictionary(metadata)))"
        }
        return line + "}"
    }

    private static func jsonValue(_ value: Logger.Metadata.Value) -> String {
        switch value {
        case .string(let text): return JSONText.quoted(text)
        case .stringConvertible(let value): return JSONText.quoted(value.description)
        case .array(let values): return "[\(values.map(jsonValue).joined(separator: ","))]"
        case .dictionary(let values):
            let members = values.sorted { $0.key < $1.key }.map {
                "\(JSONText.quoted($0.key)):\(jsonValue($0.value))"
            }
            return "{\(members.joined(separator: ","))}"
        }
    }

    /// As it is where it is one word, else in quotes.
    private static func textValue(_ value: Logger.Metadata.Value) -> String {
        let text = value.description
        let isWord =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                !$0.properties.isWhitespace && $0 != "\"" && $0 != "="
                    && $0.properties.generalCategory != .control
            }
        return isWord ? text : JSONText.quoted(text)
    }

    /// Nothing that is logged may begin a line of its own, or it could imitate another entry.
    private static func oneLine(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\r": result.append(contentsOf: "\\r".unicodeScalars)
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
                result.append(" ")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
