internal import Foundation

/// Turns what callers have submitted into text that a terminal can show.
enum Printable {
    /// How much of a payload is shown, in bytes.
    static let previewBytes = 48

    /// The text with everything escaped that is invisible or could steer a terminal.
    static func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\\": result += "\\\\"
            default:
                if isVisible(scalar) {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
                }
            }
        }
        return result
    }

    /// A payload in quotes where it is printable UTF-8, else in hexadecimal; shortened.
    static func preview(_ payload: [UInt8], limit: Int = previewBytes) -> String {
        guard !payload.isEmpty else { return "(empty)" }
        if let text = String(validating: payload, as: UTF8.self),
            text.unicodeScalars.allSatisfy({ isVisible($0) || "\n\r\t".unicodeScalars.contains($0) }
            )
        {
            let isShort = payload.count <= limit
            let shown = isShort ? text : String(decoding: payload.prefix(limit), as: UTF8.self)
            // Cutting may have split a character, which then reads as a replacement character.
            let trimmed = isShort ? shown : String(shown.drop(trailing: "\u{FFFD}"))
            return "\"" + escape(trimmed) + (isShort ? "\"" : "\"...")
        }
        let shown = payload.prefix(limit / 2)
        let digits = shown.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "0x" + digits + (shown.count < payload.count ? "..." : "")
    }

    /// An instant in milliseconds since 1970 as RFC 3339 in UTC; as a number where it has no date.
    static func timestamp(_ milliseconds: Int64) -> String {
        // The years 0001...9999, which the notation can write.
        guard (-62_135_596_800_000...253_402_300_799_999).contains(milliseconds) else {
            return "\(milliseconds) ms"
        }
        // Whole seconds for the date, or rounding would change the last digit.
        let fraction = ((milliseconds % 1000) + 1000) % 1000
        let date = Date(timeIntervalSince1970: Double((milliseconds - fraction) / 1000))
        let text = date.formatted(.iso8601).dropLast()
        return text + "." + String(String(1000 + fraction).dropFirst()) + "Z"
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator:
            false
        default: true
        }
    }
}

extension String {
    fileprivate func drop(trailing character: Character) -> Substring {
        var rest = self[...]
        while rest.last == character { rest = rest.dropLast() }
        return rest
    }
}
